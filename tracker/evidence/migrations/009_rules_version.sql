-- Which version of the reading rules each record was read by. Version 2 is known of whole databases that step 6, as it
-- then was, had marked so.
alter table articles add column rules_version integer not null default 1;
update articles set rules_version = 2 where (select user_version from pragma_user_version) = 2;
create index articles_rules_version on articles (rules_version);

-- What the derived things were made by (tracker/evidence/derived.py).
create table _derived (fingerprint text not null);
