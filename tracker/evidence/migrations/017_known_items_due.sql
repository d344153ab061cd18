-- Whether records changed since a question's known items were judged; a killed job leaves this for the next one.
alter table known_item_sets add column due integer not null default 1;
