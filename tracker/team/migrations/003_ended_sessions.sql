-- Sessions that somebody signed out of before their time; each is forgotten when its cookie would have expired.
create table ended_sessions (
  session text primary key,
  ended text not null
) without rowid;
