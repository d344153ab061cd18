-- What other services say of what is stored (tracker/enrich/). Each row of theirs came from the answer to one key.
create table enrichments (
  source text not null,
  key text not null,
  asked text not null,
  answered text,
  raw blob,
  primary key (source, key)
) without rowid;
create table enrich_runs (
  id integer primary key,
  run integer not null references runs,
  source text not null,
  started text not null,
  finished text not null,
  outcome text not null,
  reason text,
  requests integer not null,
  bytes integer not null,
  due integer not null,
  asked integer not null,
  answered integer not null
);
create index enrich_runs_source on enrich_runs (source, id);
create table citation_metrics (
  pmid integer not null,
  citations integer not null,
  clinical_citations integer not null,
  rcr real,
  percentile real,
  citations_per_year real,
  provisional integer,
  source text not null,
  key text not null,
  fetched text not null
);
create index citation_metrics_key on citation_metrics (source, key);
create index citation_metrics_pmid on citation_metrics (pmid);
create table trials (
  nct text not null,
  title text not null,
  status text not null,
  study_type text,
  phases text not null,
  conditions text not null,
  interventions text not null,
  sponsor text,
  enrolment integer,
  enrolment_is_estimated integer,
  registered text,
  started text,
  primary_completed text,
  primary_completion_is_estimated integer,
  completed text,
  completion_is_estimated integer,
  results_posted text,
  updated text,
  source text not null,
  key text not null,
  fetched text not null
);
create index trials_key on trials (source, key);
create index trials_nct on trials (nct);
create table question_trials (
  question text not null,
  nct text not null,
  source text not null,
  key text not null,
  fetched text not null
);
create index question_trials_key on question_trials (source, key);
create index question_trials_question on question_trials (question, nct);
create table trial_articles (
  nct text not null,
  pmid integer not null,
  how text not null,
  source text not null,
  key text not null,
  fetched text not null
);
create index trial_articles_key on trial_articles (source, key);
create index trial_articles_nct on trial_articles (nct);
create index trial_articles_pmid on trial_articles (pmid);
create table preprint_links (
  pmid integer not null,
  relation text not null,
  other text not null,
  certainty text not null,
  note text,
  source text not null,
  key text not null,
  fetched text not null
);
create index preprint_links_key on preprint_links (source, key);
create index preprint_links_pmid on preprint_links (pmid);
create table preprint_records (
  id text not null,
  doi text,
  title text not null,
  server text,
  published text,
  source text not null,
  key text not null,
  fetched text not null
);
create index preprint_records_key on preprint_records (source, key);
create index preprint_records_id on preprint_records (id);
create table full_text_links (
  pmid integer not null,
  site text not null,
  url text not null,
  format text,
  availability text,
  open integer not null,
  licence text,
  source text not null,
  key text not null,
  fetched text not null
);
create index full_text_links_key on full_text_links (source, key);
create index full_text_links_pmid on full_text_links (pmid);
create table doi_notices (
  doi text not null,
  kind text not null,
  type text not null,
  stated_by text not null,
  date text,
  notice_doi text,
  source text not null,
  key text not null,
  fetched text not null
);
create index doi_notices_key on doi_notices (source, key);
create index doi_notices_doi on doi_notices (doi);
