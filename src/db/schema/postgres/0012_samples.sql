-- No text and no bytes are sampled into the planner's statistics: they would outlive an erasure there, as ANALYZE leaves
-- what it knew of a table that has become empty. Each row is found by an index over ids or not at all, so the planner
-- misses nothing. A later script that makes tables ends as this one begins.
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT c.oid::regclass AS rel, string_agg(format('ALTER COLUMN %I SET STATISTICS 0', a.attname), ', ') AS list
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace AND a.attnum > 0
        AND NOT a.attisdropped AND a.atttypid IN ('text'::regtype, 'bytea'::regtype) GROUP BY c.oid
    LOOP
        EXECUTE format('ALTER TABLE %s %s', t.rel, t.list);
    END LOOP;
END $$;
-- What was sampled before goes: a change of a type to itself writes no row and forgets the samples.
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT DISTINCT coalesce(i.inhparent, t.oid)::regclass AS rel, a.attname,
        format_type(a.atttypid, a.atttypmod) || coalesce(' COLLATE ' || quote_ident(l.collname), '') AS type
        FROM pg_stats s JOIN pg_class t ON t.relname = s.tablename AND t.relnamespace = current_schema()::regnamespace
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = s.attname
        LEFT JOIN pg_inherits i ON i.inhrelid = t.oid LEFT JOIN pg_collation l ON l.oid = a.attcollation
        WHERE s.schemaname = current_schema() AND a.atttypid IN ('text'::regtype, 'bytea'::regtype)
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', c.rel, c.attname, c.type);
    END LOOP;
END $$;
