create table articles (
  pmid integer primary key,
  title text not null,
  abstract text,
  title_html text not null,
  abstract_html text,
  journal text,
  iso_abbreviation text,
  nlm_id text,
  issn text,
  volume text,
  issue text,
  pages text,
  published text,
  published_precision text,
  published_raw text,
  created text,
  entered text,
  revised text,
  completed text,
  status text,
  indexing_method text,
  languages text,
  vernacular_title text,
  doi text,
  pmcid text,
  pii text,
  copyright text,
  conflict_of_interest text,
  kind text not null,
  version integer not null,
  publication_model text,
  publication_status text,
  electronic text,
  country text,
  issn_linking text,
  authors_complete integer not null,
  retracted integer not null,
  expression_of_concern integer not null,
  corrected integer not null,
  updated integer not null,
  commented integer not null,
  republished integer not null,
  is_notice integer not null,
  authors_text text,
  mesh_text text,
  keywords_text text
);

create table abstract_sections (
  pmid integer not null,
  position integer not null,
  label text,
  category text,
  text text not null,
  html text not null,
  primary key (pmid, position)
) without rowid;

create table other_abstracts (
  pmid integer not null,
  position integer not null,
  type text,
  language text,
  label text,
  category text,
  text text not null,
  html text not null,
  copyright text,
  primary key (pmid, position)
) without rowid;

create table authors (
  pmid integer not null,
  position integer not null,
  last_name text,
  fore_name text,
  initials text,
  suffix text,
  collective_name text,
  orcid text,
  identifiers text,
  equal_contribution integer not null,
  valid integer not null,
  role text not null,
  primary key (pmid, position)
) without rowid;

create table affiliations (
  pmid integer not null,
  position integer not null,
  author integer not null,
  affiliation text not null,
  identifiers text,
  primary key (pmid, position)
) without rowid;

create table investigators (
  pmid integer not null,
  position integer not null,
  last_name text,
  fore_name text,
  initials text,
  suffix text,
  orcid text,
  affiliations text,
  primary key (pmid, position)
) without rowid;

create table mesh_headings (
  pmid integer not null,
  position integer not null,
  descriptor text not null,
  descriptor_ui text,
  qualifier text,
  qualifier_ui text,
  major integer not null,
  descriptor_major integer not null,
  type text,
  primary key (pmid, position)
) without rowid;

create table supplementary_concepts (
  pmid integer not null,
  position integer not null,
  name text not null,
  ui text,
  type text,
  primary key (pmid, position)
) without rowid;

create table publication_types (
  pmid integer not null,
  position integer not null,
  name text not null,
  ui text,
  primary key (pmid, position)
) without rowid;

create table keywords (
  pmid integer not null,
  position integer not null,
  term text not null,
  owner text,
  major integer not null,
  primary key (pmid, position)
) without rowid;

create table substances (
  pmid integer not null,
  position integer not null,
  name text not null,
  ui text,
  registry_number text,
  primary key (pmid, position)
) without rowid;

create table grants (
  pmid integer not null,
  position integer not null,
  id text,
  acronym text,
  agency text,
  country text,
  primary key (pmid, position)
) without rowid;

create table registrations (
  pmid integer not null,
  position integer not null,
  bank text not null,
  number text,
  primary key (pmid, position)
) without rowid;

create table notices (
  pmid integer not null,
  position integer not null,
  type text not null,
  other_pmid integer,
  citation text,
  note text,
  primary key (pmid, position)
) without rowid;

create table cited_references (
  pmid integer not null,
  position integer not null,
  citation text not null,
  cited_pmid integer,
  doi text,
  ids text,
  section text,
  primary key (pmid, position)
) without rowid;

create table identifiers (
  pmid integer not null,
  position integer not null,
  type text not null,
  value text not null,
  valid integer not null,
  primary key (pmid, position)
) without rowid;

create table article_history (
  pmid integer not null,
  position integer not null,
  event text not null,
  date text not null,
  primary key (pmid, position)
) without rowid;

create table other_fields (
  pmid integer not null,
  position integer not null,
  field text not null,
  value text not null,
  detail text,
  primary key (pmid, position)
) without rowid;

create table books (
  pmid integer primary key,
  title text not null,
  title_html text not null,
  publisher text,
  publisher_location text,
  collection text,
  edition text,
  volume text,
  volume_title text,
  isbns text,
  medium text,
  report_number text,
  beginning text,
  ending text,
  contributed text,
  sections text
);

create table labels (
  pmid integer not null,
  label_group text not null,
  value text not null,
  basis text not null,
  quote text,
  rule text not null,
  rule_version integer not null,
  confidence text not null,
  primary key (pmid, label_group, value)
) without rowid;

create table question_labels (
  question text not null,
  label_group text not null,
  value text not null,
  published text not null,
  pmid integer not null,
  primary key (question, label_group, value, published, pmid)
) without rowid;

create table question_counts (
  question text not null,
  label_group text not null,
  value text not null,
  year text not null,
  n integer not null,
  primary key (question, label_group, value, year)
) without rowid;

create table raw_records (
  pmid integer not null,
  sha256 text not null,
  format text not null,
  fetched text not null,
  body blob not null,
  primary key (pmid, sha256)
);

create table record_state (
  pmid integer primary key,
  raw text,
  first_seen text not null,
  checked text,
  next_check text,
  missing_since text,
  gone text,
  source text not null
);

create table questions (
  slug text primary key,
  position integer not null,
  title text not null,
  question text not null,
  claim text,
  pico text,
  strategy text references strategies,
  complete_to text,
  incomplete_since text,
  incomplete_reason text,
  recheck_days integer not null
);

create table strategies (
  hash text primary key,
  question text not null,
  strategy text not null,
  first_run text not null
);

create table seeds (
  question text not null,
  pmid integer not null,
  title text not null,
  found integer,
  record_title text,
  primary key (question, pmid)
) without rowid;

create table question_articles (
  question text not null,
  pmid integer not null,
  published text not null,
  entered text not null,
  reason text not null,
  strategy text,
  left_at text,
  matching integer not null,
  primary key (question, pmid)
) without rowid;

create table runs (
  id integer primary key,
  command text not null,
  started text not null,
  finished text,
  outcome text not null,
  reason text,
  version text not null,
  details text
);

create table searches (
  id integer primary key,
  run integer not null references runs,
  question text not null,
  purpose text not null,
  strategy text,
  query text not null,
  translation text,
  errors text not null,
  warnings text not null,
  count integer,
  slices text not null,
  entered integer,
  left_count integer,
  kept integer,
  reconciled integer not null,
  reason text,
  started text not null,
  seconds real
);

create table fetches (
  id integer primary key,
  run integer not null references runs,
  asked integer not null,
  returned integer not null,
  missing text not null,
  refused text not null,
  bytes integer not null,
  started text not null,
  seconds real not null
);

create table changes (
  pmid integer not null,
  field text not null,
  before text,
  after text,
  noticed text not null,
  run integer references runs
);

create index articles_doi on articles (doi);
create index articles_published on articles (published desc, pmid desc);
create index articles_created on articles (created desc, pmid desc);
create index articles_retracted on articles (pmid) where retracted or expression_of_concern;
create index authors_orcid on authors (orcid) where orcid is not null;
create index registrations_number on registrations (number);
create index labels_value on labels (label_group, value, pmid);
create index record_state_next_check on record_state (next_check);
create index record_state_starter on record_state (pmid) where source = 'starter';
create index record_state_missing on record_state (missing_since) where missing_since is not null;
create index question_articles_published on question_articles (question, published, pmid);
create index question_articles_entered on question_articles (question, entered, pmid);
create index question_articles_pmid on question_articles (pmid);
create index searches_run on searches (run);
create index searches_question on searches (question, id);
create index fetches_run on fetches (run);
create index changes_pmid on changes (pmid, noticed);
create index changes_noticed on changes (noticed, pmid);
create index changes_run on changes (run);
