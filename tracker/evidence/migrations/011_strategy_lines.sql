-- A strategy's lines by their names, as the question's file has them.
alter table strategies add column lines text;
