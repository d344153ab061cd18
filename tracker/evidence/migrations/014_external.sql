-- Every record that a file of another database held for a question, as it stands there. pmid is the key of the article
-- that shows it: minus its own number or, where it is a duplicate, the key of the article that it is one of.
create table external_records (
  id integer primary key,
  question text not null,
  source text not null,
  accession text,
  searched text not null,
  imported text not null,
  file text not null,
  file_hash text not null,
  place text not null,
  record text not null,
  pmid integer not null
);
create index external_records_question on external_records (question, source);
create index external_records_pmid on external_records (pmid);
create index external_records_file on external_records (question, file_hash);
create index external_records_accession on external_records (source, accession) where accession is not null;

-- Which article a record was found to be, or may be, and what was decided: the last row of a pair counts.
create table duplicates (
  id integer primary key,
  record integer not null references external_records,
  pmid integer not null,
  verdict text not null,
  reason text not null,
  decided text not null,
  by_person integer not null
);
create index duplicates_record on duplicates (record, pmid);
create index duplicates_pmid on duplicates (pmid);
