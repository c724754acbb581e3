-- The write-ahead log that held what was erased: a row for each erasure that ended, until its segments are gone.
CREATE TABLE audit_wal (
    at         BIGINT PRIMARY KEY,             -- when the store was rewritten, by the server's clock
    since      BIGINT NOT NULL,                -- the same by the database's clock
    mark       TEXT COLLATE "C" NOT NULL,      -- the segment that was written then
    clean      TEXT COLLATE "C" NOT NULL,      -- the one being written when no older one was left; '': one is
    cleared_at BIGINT                          -- NULL: segments of before may be there
);
