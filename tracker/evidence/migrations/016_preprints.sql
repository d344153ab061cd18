-- Preprints and the articles that followed them, where PubMed does not link them.
create table preprint_titles (
  pmid integer primary key,
  title text not null
);
create index preprint_titles_title on preprint_titles (title);
create table preprint_pairs (
  preprint integer not null,
  pmid integer not null,
  same_authors integer not null,
  primary key (preprint, pmid)
) without rowid;
create index preprint_pairs_pmid on preprint_pairs (pmid);
