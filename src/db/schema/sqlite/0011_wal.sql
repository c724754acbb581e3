-- PostgreSQL's write-ahead log after an erasure; on SQLite the WAL is emptied with the rewriting, so no row is ever here.
CREATE TABLE audit_wal (
    at         INTEGER PRIMARY KEY,
    since      INTEGER NOT NULL,
    mark       TEXT NOT NULL,
    clean      TEXT NOT NULL,
    cleared_at INTEGER
) STRICT;
