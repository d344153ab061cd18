-- How a question's records are screened, for the site, which reads no question files.
alter table questions add column dual integer not null default 0;
alter table questions add column reasons text not null default '[]';
