-- What somebody had before them when they decided; null where nobody knows, as of every decision before this step. And
-- whether a person has the machine's labels hidden while they screen a question; without a row its file decides.
alter table decisions add column basis text check (basis in ('title', 'abstract'));
alter table decisions add column labels text check (labels in ('shown', 'hidden'));
create table label_displays (
  person integer not null references people,
  question text not null,
  labels text not null check (labels in ('shown', 'hidden')),
  chosen text not null,
  primary key (person, question)
) without rowid;
