-- A peer's review of one version of a search strategy by the form of PRESS 2015: six elements and the whole, each with a
-- judgement and, if there is more to say, a comment. The version is the strategy's hash: an edited one has no review.
create table press_reviews (
  question text not null,
  strategy text not null,
  reviewer text not null,
  person integer not null references people,
  reviewed text not null,
  translation text not null check (translation in ('no revision', 'revision suggested', 'revision required')),
  translation_comment text,
  operators text not null check (operators in ('no revision', 'revision suggested', 'revision required')),
  operators_comment text,
  headings text not null check (headings in ('no revision', 'revision suggested', 'revision required')),
  headings_comment text,
  text_words text not null check (text_words in ('no revision', 'revision suggested', 'revision required')),
  text_words_comment text,
  spelling text not null check (spelling in ('no revision', 'revision suggested', 'revision required')),
  spelling_comment text,
  limits text not null check (limits in ('no revision', 'revision suggested', 'revision required')),
  limits_comment text,
  overall text not null check (overall in ('no revision', 'revision suggested', 'revision required')),
  overall_comment text,
  written text not null,
  primary key (question, strategy, reviewer, person)
) without rowid;
