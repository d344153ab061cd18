-- Lists are read by key, in order of publication, of entering and of creation; changes by the day they were noticed.
alter table questions add column bottom_line text;
alter table questions add column harms integer not null default 0;
alter table question_articles add column created text not null default '';

create index question_articles_created on question_articles (question, created, pmid);
create index question_articles_left on question_articles (left_at, question, pmid) where left_at is not null;
drop index changes_noticed;
create index changes_noticed on changes (noticed, pmid, field);
create index changes_standing on changes (noticed, pmid)
  where field in ('retracted', 'expression_of_concern', 'corrected');
-- All of an article's facets in one place, to take them out by and to count them.
create index question_labels_pmid on question_labels (pmid, question, label_group, value, published);

update question_articles as q
set created = coalesce((select a.created from articles a where a.pmid = q.pmid), '');
