-- What a review team needs. blind names the review (QUESTION/STAGE) that hides a row from others until two people have
-- decided there, which unsealed then says: a log that is only ever added to cannot be marked.
alter table people add column identity text;
create unique index people_identity on people (identity);
alter table people add column session integer not null default 0;
alter table tokens add column used text;
alter table taggings add column blind text;
create index taggings_person on taggings (person, pmid);
alter table decisions add column blind text;
create index decisions_person on decisions (person, question);
create index decisions_pmid on decisions (pmid);
alter table notes add column blind text;
create index notes_person on notes (person, pmid);
create index label_reviews_person on label_reviews (person, pmid);
alter table events add column kind text;
alter table events add column subject text;
alter table events add column batch integer;
alter table events add column blind text;
alter table events add column undoes integer;
create index events_undoes on events (undoes) where undoes is not null;
create index events_batch on events (batch);
create index events_decided on events (question, kind, id) where kind in ('decision', 'settlement');
create table settlements (
  id integer primary key,
  question text not null,
  pmid integer not null,
  stage text not null check (stage in ('title-abstract', 'full-text')),
  decision text not null check (decision in ('include', 'exclude')),
  reason text,
  why text not null,
  person integer not null references people,
  settled text not null,
  unique (question, pmid, stage)
);
create index settlements_pmid on settlements (pmid);
create table unsealed (
  review text not null,
  pmid integer not null,
  unsealed text not null,
  primary key (review, pmid)
) without rowid;
create table sign_in_failures (
  id integer primary key,
  name text not null,
  address text not null,
  failed text not null
);
create index sign_in_failures_failed on sign_in_failures (failed);
