create table people (
  id integer primary key,
  name text not null unique,
  display_name text not null,
  role text not null check (role in ('reader', 'tagger', 'lead', 'admin')),
  password_hash text,
  created text not null,
  disabled text
);
create table tokens (
  id integer primary key,
  person integer not null references people,
  name text not null,
  hash text not null unique,
  scopes text not null,
  created text not null,
  expires text not null,
  revoked text
);
create table tag_groups (
  id integer primary key,
  name text not null unique,
  description text not null default '',
  colour text,
  choice text not null default 'multiple' check (choice in ('single', 'multiple')),
  position integer not null default 0
);
create table tags (
  id integer primary key,
  tag_group integer not null references tag_groups,
  name text not null,
  description text not null default '',
  colour text,
  retired text,
  merged_into integer references tags,
  unique (tag_group, name)
);
create table taggings (
  id integer primary key,
  pmid integer not null,
  question text,
  tag integer not null references tags,
  person integer not null references people,
  tagged text not null,
  note text
);
create unique index taggings_once on taggings (pmid, coalesce(question, ''), tag, person);
create index taggings_tag on taggings (tag, pmid);
create table decisions (
  id integer primary key,
  pmid integer not null,
  question text not null,
  stage text not null check (stage in ('title-abstract', 'full-text')),
  person integer not null references people,
  decision text not null check (decision in ('include', 'exclude', 'unsure')),
  reason text,
  decided text not null,
  unique (question, pmid, stage, person)
);
create table label_reviews (
  id integer primary key,
  pmid integer not null,
  label_group text not null,
  machine_value text,
  value text,
  person integer not null references people,
  reviewed text not null,
  unique (pmid, label_group, machine_value, person)
);
create table notes (
  id integer primary key,
  pmid integer not null,
  question text,
  person integer not null references people,
  text text not null,
  written text not null
);
create index notes_pmid on notes (pmid);
create table alerts_seen (
  person integer not null references people,
  pmid integer not null,
  field text not null,
  noticed text not null,
  seen text not null,
  primary key (person, pmid, field, noticed)
) without rowid;
create table events (
  id integer primary key,
  happened text not null,
  person integer references people,
  origin text not null,
  action text not null,
  pmid integer,
  question text,
  before text,
  after text
);
create index events_pmid on events (pmid, id);
create index events_person on events (person, id);

-- An INSERT with the id of an existing row is how REPLACE would rewrite history.
create trigger events_never_updated
  before update on events
begin
  select raise(abort, 'events are only ever added to');
end;
create trigger events_never_deleted
  before delete on events
begin
  select raise(abort, 'events are only ever added to');
end;
create trigger events_never_replaced
  before insert on events
  when exists (select 1 from events where id = new.id)
begin
  select raise(abort, 'events are only ever added to');
end;
