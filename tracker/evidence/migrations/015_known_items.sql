-- What the direct reviews of each question cite, as far as it is about the question.
create table known_item_sets (
  question text primary key,
  reviews integer not null,
  with_references integer not null,
  cited integer not null,
  judged integer not null
);
create table known_items (
  question text not null,
  pmid integer not null,
  reviews integer not null,
  words text not null,
  fits integer not null,
  primary key (question, pmid)
) without rowid;
