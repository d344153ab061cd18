-- Who gets mail about what. An address is here from the moment it is typed: unconfirmed for two days at most, then until
-- its owner unsubscribes, which deletes the row. What is followed: questions (a JSON list of slugs), a tag, or what a
-- person tagged; on a closed site "person" is whoever subscribed, for anything. "name" is the random part of the links
-- in its mails. "told_to" is the moment up to which news was told, "mailed" when a mail was last made.
create table subscriptions (
  id integer primary key,
  name text not null unique,
  address text not null,
  what text not null check (what in ('questions', 'tag', 'person')),
  questions text not null default '[]',
  tag integer references tags,
  person integer references people,
  every text not null check (every in ('day', 'week')),
  asked text not null,
  confirmed text,
  told_to text,
  mailed text,
  suspended text,
  suspended_reason text
);
create index subscriptions_by_address on subscriptions (address);

-- Each mail, stored before it is sent. Address and message stay only until the server has taken or refused it.
-- "about" is what a mail that staff asked for is about, as a keyed hash with its address; "after" and "up_to" are a
-- digest's window of time.
create table deliveries (
  id integer primary key,
  message_id text not null unique,
  subscription integer,
  kind text not null check (kind in ('confirmation', 'digest', 'note')),
  about text,
  after text,
  up_to text,
  address text,
  message blob,
  intended text not null,
  attempts integer not null default 0,
  sent text,
  failed text,
  reason text
);
create index deliveries_waiting on deliveries (id) where sent is null and failed is null;
create index deliveries_by_subject on deliveries (about, id) where about is not null;

-- Who asked for a subscription in the last day, for the limits: sender and address are keyed hashes.
create table subscription_requests (
  requested text not null,
  sender text not null,
  address text not null
);
create index subscription_requests_by_moment on subscription_requests (requested);
