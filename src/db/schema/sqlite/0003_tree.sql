-- The tree's part of the main store: doc/decisions/0004-tree-storage.md.

-- Roots of finished subtrees whose month was dropped.
CREATE TABLE audit_node_kept (
    tenant_id INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    level     INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    PRIMARY KEY (tenant_id, epoch, level, n)
) STRICT, WITHOUT ROWID;

-- Published heads: the newest signed checkpoint of each log, with its cosignatures.
CREATE TABLE audit_head (
    tenant_id   INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    origin      TEXT NOT NULL,
    size        INTEGER NOT NULL,
    root        BLOB NOT NULL,
    note        TEXT NOT NULL,
    signed_at   INTEGER NOT NULL,
    cosigned_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, epoch)
) STRICT, WITHOUT ROWID;

-- Where an epoch began: the last head known of the epoch before, and what was lost.
CREATE TABLE audit_epoch (
    tenant_id  INTEGER NOT NULL,
    epoch      INTEGER NOT NULL, -- the one begun
    at         INTEGER NOT NULL,
    known_size INTEGER NOT NULL, -- size of the last checkpoint known of the epoch before
    store_size INTEGER NOT NULL, -- what the store held of it: [store_size, known_size) is lost
    note       TEXT NOT NULL,    -- that checkpoint
    reason     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, epoch)
) STRICT, WITHOUT ROWID;

-- A log's place among the blinded heads that the instance's log recorded in one round.
CREATE TABLE audit_opening (
    tenant_id  INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    event      TEXT NOT NULL,
    size       INTEGER NOT NULL,
    head_root  BLOB NOT NULL,
    salt       BLOB NOT NULL,
    round_root BLOB NOT NULL,
    leaf       INTEGER NOT NULL,
    leaves     INTEGER NOT NULL,
    path       BLOB NOT NULL,
    PRIMARY KEY (tenant_id, epoch, at)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_node_kept_update BEFORE UPDATE ON audit_node_kept
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_node_kept_delete BEFORE DELETE ON audit_node_kept
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head
WHEN new.size < old.size OR new.tenant_id <> old.tenant_id OR new.epoch <> old.epoch
     OR new.origin <> old.origin OR (new.size = old.size AND new.root <> old.root)
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_epoch_update BEFORE UPDATE ON audit_epoch
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
CREATE TRIGGER audit_epoch_delete BEFORE DELETE ON audit_epoch
BEGIN SELECT RAISE(FAIL, 'the audit log is append-only'); END;
