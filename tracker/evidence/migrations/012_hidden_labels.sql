-- Whether labels are hidden from those who screen a question, as its file says, until a person shows them.
alter table questions add column hide_labels integer not null default 0;
