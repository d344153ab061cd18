-- Where a label's words stand, and what its value comes to where it is a quantity.
alter table labels add column part text not null default 'field';
alter table labels add column start integer;
alter table labels add column "end" integer;
alter table labels add column number real;

-- How a record bears on a question, and what its abstract says of the question's outcome.
alter table questions add column reading text;
create table directness (
  question text not null,
  pmid integer not null,
  value text not null,
  reason text not null,
  rule text not null,
  version integer not null,
  outcome text not null,
  primary key (question, pmid)
) without rowid;
create index directness_pmid on directness (pmid, question);
create table findings (
  question text not null,
  pmid integer not null,
  position integer not null,
  side text not null,
  part text not null,
  start integer not null,
  "end" integer not null,
  section text not null,
  cue text not null,
  about integer,
  about_start integer,
  about_end integer,
  is_null integer not null,
  looked_for_start integer,
  looked_for_end integer,
  reached integer,
  reached_start integer,
  reached_end integer,
  primary key (question, pmid, position)
) without rowid;
create index findings_pmid on findings (pmid, question, position);

-- Which paper cites which, both ways.
create table cites (
  pmid integer not null,
  cited integer not null,
  primary key (pmid, cited)
) without rowid;
create index cites_cited on cites (cited, pmid);
insert or ignore into cites select pmid, cited_pmid from cited_references where cited_pmid is not null;
insert or ignore into cites select pmid, other_pmid from notices where type = 'Cites' and other_pmid is not null;

-- Facets by number: question_labels becomes a view over them (tracker/evidence/facets.py).
drop table question_labels;
create table facets (
  id integer primary key,
  question text not null,
  label_group text not null,
  value text not null,
  unique (question, label_group, value)
);
create table article_facets (
  facet integer not null,
  published text not null,
  pmid integer not null,
  primary key (facet, published, pmid)
) without rowid;
create table facets_of (
  pmid integer not null,
  facet integer not null,
  primary key (pmid, facet)
) without rowid;
