-- The keys by which names are sorted and found: composed and case-folded by the program (text_key), so that they
-- are the same whatever the database's locale. '' in rows that an older program wrote: filled at the next start.
ALTER TABLE user_account ADD COLUMN first_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE user_account ADD COLUMN last_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE client ADD COLUMN name_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE tag ADD COLUMN name_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE sla_benchmark ADD COLUMN name_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE substatus ADD COLUMN value_key TEXT COLLATE "C" NOT NULL DEFAULT '';
-- as 0012 did for all
ALTER TABLE user_account ALTER COLUMN first_key SET STATISTICS 0;
ALTER TABLE user_account ALTER COLUMN last_key SET STATISTICS 0;
ALTER TABLE client ALTER COLUMN name_key SET STATISTICS 0;
ALTER TABLE tag ALTER COLUMN name_key SET STATISTICS 0;
ALTER TABLE sla_benchmark ALTER COLUMN name_key SET STATISTICS 0;
ALTER TABLE substatus ALTER COLUMN value_key SET STATISTICS 0;
