-- The tree's part of the main store: doc/decisions/0004-tree-storage.md.

-- Roots of finished subtrees whose month was dropped.
CREATE TABLE audit_node_kept (
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    level     bigint NOT NULL,
    n         bigint NOT NULL,
    hash      bytea NOT NULL,
    PRIMARY KEY (tenant_id, epoch, level, n)
);

-- Published heads: the newest signed checkpoint of each log, with its cosignatures.
CREATE TABLE audit_head (
    tenant_id   bigint NOT NULL,
    epoch       bigint NOT NULL,
    origin      text COLLATE "C" NOT NULL,
    size        bigint NOT NULL,
    root        bytea NOT NULL,
    note        text COLLATE "C" NOT NULL,
    signed_at   bigint NOT NULL,
    cosigned_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, epoch)
);

-- Where an epoch began: the last head known of the epoch before, and what was lost.
CREATE TABLE audit_epoch (
    tenant_id  bigint NOT NULL,
    epoch      bigint NOT NULL, -- the one begun
    at         bigint NOT NULL,
    known_size bigint NOT NULL, -- size of the last checkpoint known of the epoch before
    store_size bigint NOT NULL, -- what the store held of it: [store_size, known_size) is lost
    note       text COLLATE "C" NOT NULL,    -- that checkpoint
    reason     text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, epoch)
);

-- A log's place among the blinded heads that the instance's log recorded in one round.
CREATE TABLE audit_opening (
    tenant_id  bigint NOT NULL,
    epoch      bigint NOT NULL,
    at         bigint NOT NULL,
    event      text COLLATE "C" NOT NULL,
    size       bigint NOT NULL,
    head_root  bytea NOT NULL,
    salt       bytea NOT NULL,
    round_root bytea NOT NULL,
    leaf       bigint NOT NULL,
    leaves     bigint NOT NULL,
    path       bytea NOT NULL,
    PRIMARY KEY (tenant_id, epoch, at)
);

CREATE FUNCTION audit_head_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.size < old.size OR new.tenant_id <> old.tenant_id OR new.epoch <> old.epoch
       OR new.origin <> old.origin OR (new.size = old.size AND new.root <> old.root) THEN
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER audit_node_kept_change BEFORE UPDATE OR DELETE ON audit_node_kept
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_node_kept_truncate BEFORE TRUNCATE ON audit_node_kept
    EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_head_guard();
CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_truncate BEFORE TRUNCATE ON audit_head EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_epoch_change BEFORE UPDATE OR DELETE ON audit_epoch
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_epoch_truncate BEFORE TRUNCATE ON audit_epoch EXECUTE FUNCTION audit_refuse();
