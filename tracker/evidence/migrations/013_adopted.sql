-- The versions of each question's search, numbered in the order in which they came.
create table strategy_versions (
  question text not null,
  number integer not null,
  strategy text not null references strategies,
  primary key (question, number),
  unique (question, strategy)
);
-- Who adopted which version, when and why. A question runs the version that was adopted last.
create table adoptions (
  id integer primary key,
  question text not null,
  number integer not null,
  adopted text not null,
  person text,
  note text,
  how text not null,
  foreign key (question, number) references strategy_versions
);
create index adoptions_question on adoptions (question, id);
-- Two questions may have one strategy; its row names the first of them only.
insert into strategy_versions (question, number, strategy)
select question, row_number() over (partition by question order by first_run, place), hash from (
  select question, hash, first_run, rowid as place from strategies
  union
  select q.slug, s.hash, s.first_run, s.rowid from questions q join strategies s on s.hash = q.strategy
);
insert into adoptions (question, number, adopted, how)
select v.question, v.number, s.first_run, 'run before'
from strategy_versions v join strategies s on s.hash = v.strategy
where v.number = coalesce(
  (select w.number from questions q join strategy_versions w on w.question = q.slug and w.strategy = q.strategy
   where q.slug = v.question),
  (select max(number) from strategy_versions w where w.question = v.question)
)
order by v.question;
-- What the last refresh or load found in the question's file, if that was another search than the adopted one.
alter table questions add column edited text;
-- Which line of the strategy a search was for; empty for a search of the whole.
alter table searches add column line text;
create index searches_line on searches (question, strategy, line, id) where line is not null;
