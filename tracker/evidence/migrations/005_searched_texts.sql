-- What has superscripts is found by more than one form; stored articles get theirs when they are read again.
alter table articles add column article_number text;
create table searched_texts (
  pmid integer primary key, title text, abstract text, keywords_text text, mesh_text text, authors_text text
);
