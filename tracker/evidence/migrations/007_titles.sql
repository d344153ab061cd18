-- What titles alone say of a paper, NLM's abbreviations of journals, and names that NLM marked as wrong.
alter table articles add column medline_abbreviation text;
alter table articles add column withdrawn integer not null default 0;
alter table articles add column title_says text;
alter table articles add column by_title integer not null default 0;
alter table investigators add column valid integer not null default 1;

drop index changes_standing;
create index changes_standing on changes (noticed, pmid)
  where field in ('retracted', 'withdrawn', 'expression_of_concern', 'corrected');
drop index articles_retracted;
create index articles_retracted on articles (pmid) where retracted or withdrawn or expression_of_concern;
