-- DOIs without regard to capitals, and PMCIDs, are found by an index.
create index articles_doi_folded on articles (lower(doi));
create index articles_pmcid on articles (pmcid) where pmcid is not null;
