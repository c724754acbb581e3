-- The audit log's part of the main store. The events themselves lie in the month's segment, a file
-- of its own (audit/segment_schema.c).

-- What was recorded and not yet moved. seq never recurs: the segments' marks rely on it.
CREATE TABLE audit_tail (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL, -- -1: the instance's log
    public    BLOB NOT NULL,
    personal  BLOB NOT NULL,
    salt      BLOB NOT NULL
) STRICT;

-- Rows up to moved_to are in a segment and may leave the tail.
CREATE TABLE audit_mark (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    moved_to INTEGER NOT NULL
) STRICT;
INSERT INTO audit_mark (id, moved_to) VALUES (1, 0);

-- Where each log stands; outlives the segments.
CREATE TABLE audit_log (
    tenant_id   INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    last_logged INTEGER NOT NULL,
    edge        BLOB NOT NULL, -- roots of the perfect subtrees of `size` leaves, largest first
    PRIMARY KEY (tenant_id, epoch)
) STRICT, WITHOUT ROWID;

-- Months whose expiry was recorded: the event comes before the drop, once.
CREATE TABLE audit_drop (
    month INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL
) STRICT;

-- FAIL, not ABORT: see audit/segment_schema.c.
CREATE TRIGGER audit_tail_update BEFORE UPDATE ON audit_tail
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_tail_delete BEFORE DELETE ON audit_tail
WHEN old.seq > (SELECT moved_to FROM audit_mark)
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_tail_replace BEFORE INSERT ON audit_tail
WHEN EXISTS (SELECT 1 FROM audit_tail WHERE seq = new.seq)
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_mark_update BEFORE UPDATE ON audit_mark
WHEN new.moved_to < old.moved_to OR new.id <> 1
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_mark_delete BEFORE DELETE ON audit_mark
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_mark_replace BEFORE INSERT ON audit_mark
WHEN EXISTS (SELECT 1 FROM audit_mark)
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_update BEFORE UPDATE ON audit_log
WHEN new.size < old.size OR new.last_logged < old.last_logged OR new.tenant_id <> old.tenant_id
     OR new.epoch <> old.epoch
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_delete BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_drop_update BEFORE UPDATE ON audit_drop
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_drop_delete BEFORE DELETE ON audit_drop
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
