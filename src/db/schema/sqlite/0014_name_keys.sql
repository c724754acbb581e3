-- The keys by which names are sorted and found: composed and case-folded by the program (text_key), so that they
-- are the same whatever the database's locale. '' in rows that an older program wrote: filled at the next start.
ALTER TABLE user_account ADD COLUMN first_key TEXT NOT NULL DEFAULT '';
ALTER TABLE user_account ADD COLUMN last_key TEXT NOT NULL DEFAULT '';
ALTER TABLE client ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
ALTER TABLE tag ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
ALTER TABLE sla_benchmark ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
ALTER TABLE substatus ADD COLUMN value_key TEXT NOT NULL DEFAULT '';
