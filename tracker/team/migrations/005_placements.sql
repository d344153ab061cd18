-- Where a person moves a record of a question to, beside what the rules read of it in evidence.db. By question, as lists
-- read all of one at once.
create table placements (
  pmid integer not null,
  question text not null,
  person integer not null references people,
  value text not null check (value in ('direct', 'indirect', 'off')),
  reason text not null,
  placed text not null,
  blind text,
  primary key (question, pmid, person)
) without rowid;
create index placements_pmid on placements (pmid);
create index placements_person on placements (person, pmid);
