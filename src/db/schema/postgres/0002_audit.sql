-- The audit log. The segments are partitions by month (ordinal: year * 12 + month - 1); they are
-- made by the mover and leave by DROP, never by DELETE.

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;

CREATE TABLE audit_tail (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL, -- -1: the instance's log
    public    bytea NOT NULL,
    personal  bytea NOT NULL,
    salt      bytea NOT NULL
);
CREATE TABLE audit_mark (
    id       bigint PRIMARY KEY CHECK (id = 1),
    moved_to bigint NOT NULL
);
INSERT INTO audit_mark (id, moved_to) VALUES (1, 0);
CREATE TABLE audit_log (
    tenant_id   bigint NOT NULL,
    epoch       bigint NOT NULL,
    size        bigint NOT NULL,
    last_logged bigint NOT NULL,
    edge        bytea NOT NULL, -- roots of the perfect subtrees of `size` leaves, largest first
    PRIMARY KEY (tenant_id, epoch)
);
CREATE TABLE audit_drop (
    month bigint PRIMARY KEY,
    at    bigint NOT NULL
);

-- What a month holds of each log (follows the moves; rows leave with their month).
CREATE TABLE audit_range (
    month       bigint NOT NULL,
    tenant_id   bigint NOT NULL,
    epoch       bigint NOT NULL,
    first       bigint NOT NULL,
    next        bigint NOT NULL,
    last_logged bigint NOT NULL,
    min_lag     bigint NOT NULL,
    max_lag     bigint NOT NULL,
    edge        bytea NOT NULL,
    PRIMARY KEY (tenant_id, epoch, month)
);
CREATE INDEX audit_range_month ON audit_range (month);

CREATE TABLE audit_event (
    month     bigint NOT NULL,
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    idx       bigint NOT NULL,
    cuid      text COLLATE "C" NOT NULL,
    type      bigint NOT NULL,
    outcome   bigint NOT NULL,
    at        bigint NOT NULL,
    logged    bigint NOT NULL,
    client_id bigint NOT NULL,
    public    bytea NOT NULL,
    leaf      bytea NOT NULL,
    PRIMARY KEY (tenant_id, epoch, idx, month)
) PARTITION BY LIST (month);
CREATE INDEX audit_event_type ON audit_event (tenant_id, epoch, type, idx);
CREATE INDEX audit_event_bad ON audit_event (tenant_id, epoch, outcome, idx) WHERE outcome > 0;
CREATE INDEX audit_event_client ON audit_event (tenant_id, epoch, client_id, idx)
    WHERE client_id <> 0;
CREATE INDEX audit_event_cuid ON audit_event (tenant_id, cuid);

-- The personal part and its salt, apart, so that both can be erased.
CREATE TABLE audit_personal (
    month     bigint NOT NULL,
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    idx       bigint NOT NULL,
    salt      bytea NOT NULL,
    personal  bytea NOT NULL,
    PRIMARY KEY (tenant_id, epoch, idx, month)
) PARTITION BY LIST (month);
-- Whose personal part was erased: one row an event and person (doc/decisions/0009-erasure.md).
CREATE TABLE audit_erasure (
    month      bigint NOT NULL,
    tenant_id  bigint NOT NULL,
    epoch      bigint NOT NULL,
    idx        bigint NOT NULL,
    person     text COLLATE "C" NOT NULL, -- the pseudonym that stays
    part       bigint NOT NULL,           -- 1 he acted, 2 it was done to him, 4 it named him
    request    text COLLATE "C" NOT NULL,
    inner_hash bytea NOT NULL, -- SHA-256(salt || personal): the leaf stays provable
    at         bigint NOT NULL,
    PRIMARY KEY (tenant_id, epoch, idx, person, month)
) PARTITION BY LIST (month);
CREATE INDEX audit_erasure_request_idx ON audit_erasure (request);
-- Samples of what people wrote would outlive its erasure in the planner's statistics.
ALTER TABLE audit_tail ALTER COLUMN personal SET STATISTICS 0, ALTER COLUMN salt SET STATISTICS 0;

-- Which users an event is about: its actor and its target.
CREATE TABLE audit_party (
    month     bigint NOT NULL,
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    idx       bigint NOT NULL,
    PRIMARY KEY (tenant_id, epoch, user_id, idx, month)
) PARTITION BY LIST (month);

-- The tree: roots of finished subtrees of 256^level leaves; the leaf hashes before the month's first
-- event in the same tile. doc/decisions/0004-tree-storage.md.
CREATE TABLE audit_node (
    month     bigint NOT NULL,
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    level     bigint NOT NULL,
    n         bigint NOT NULL,
    hash      bytea NOT NULL,
    PRIMARY KEY (tenant_id, epoch, level, n, month)
) PARTITION BY LIST (month);
CREATE TABLE audit_carry (
    month     bigint NOT NULL,
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    first     bigint NOT NULL,
    hashes    bytea NOT NULL,
    PRIMARY KEY (tenant_id, epoch, month)
) PARTITION BY LIST (month);

-- The text index: derived, rewritten when chunks merge.
CREATE TABLE audit_gram (
    month     bigint NOT NULL,
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    level     bigint NOT NULL,
    chunk     bigint NOT NULL,
    gram      bigint NOT NULL,
    n         bigint NOT NULL,
    list      bytea NOT NULL,
    PRIMARY KEY (tenant_id, epoch, level, chunk, gram, month)
) PARTITION BY LIST (month);
CREATE TABLE audit_chunk (
    month     bigint NOT NULL,
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    level     bigint NOT NULL,
    chunk     bigint NOT NULL,
    lo        bigint NOT NULL,
    hi        bigint NOT NULL,
    bigrams   bytea NOT NULL,
    PRIMARY KEY (tenant_id, epoch, lo, month)
) PARTITION BY LIST (month);

CREATE FUNCTION audit_tail_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.seq > (SELECT moved_to FROM audit_mark) THEN
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    RETURN old;
END $$;
CREATE FUNCTION audit_mark_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.moved_to < old.moved_to OR new.id <> 1 THEN
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    RETURN new;
END $$;
CREATE FUNCTION audit_log_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.size < old.size OR new.last_logged < old.last_logged
       OR new.tenant_id <> old.tenant_id OR new.epoch <> old.epoch THEN
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    RETURN new;
END $$;
CREATE FUNCTION audit_personal_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_erasure e WHERE e.tenant_id = old.tenant_id
                   AND e.epoch = old.epoch AND e.idx = old.idx) THEN
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    RETURN old;
END $$;

CREATE TRIGGER audit_tail_update BEFORE UPDATE ON audit_tail
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_tail_delete BEFORE DELETE ON audit_tail
    FOR EACH ROW EXECUTE FUNCTION audit_tail_guard();
CREATE TRIGGER audit_tail_truncate BEFORE TRUNCATE ON audit_tail EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_mark_update BEFORE UPDATE ON audit_mark
    FOR EACH ROW EXECUTE FUNCTION audit_mark_guard();
CREATE TRIGGER audit_mark_delete BEFORE DELETE ON audit_mark
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_mark_truncate BEFORE TRUNCATE ON audit_mark EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_log_update BEFORE UPDATE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_guard();
CREATE TRIGGER audit_log_delete BEFORE DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_log_truncate BEFORE TRUNCATE ON audit_log EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_drop_change BEFORE UPDATE OR DELETE ON audit_drop
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_drop_truncate BEFORE TRUNCATE ON audit_drop EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_event_change BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_event_truncate BEFORE TRUNCATE ON audit_event EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_personal_update BEFORE UPDATE ON audit_personal
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_personal_delete BEFORE DELETE ON audit_personal
    FOR EACH ROW EXECUTE FUNCTION audit_personal_guard();
CREATE TRIGGER audit_personal_truncate BEFORE TRUNCATE ON audit_personal
    EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_party_change BEFORE UPDATE OR DELETE ON audit_party
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_party_truncate BEFORE TRUNCATE ON audit_party EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_node_change BEFORE UPDATE OR DELETE ON audit_node
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_node_truncate BEFORE TRUNCATE ON audit_node EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_carry_change BEFORE UPDATE OR DELETE ON audit_carry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_carry_truncate BEFORE TRUNCATE ON audit_carry EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_erasure_change BEFORE UPDATE OR DELETE ON audit_erasure
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_erasure_truncate BEFORE TRUNCATE ON audit_erasure
    EXECUTE FUNCTION audit_refuse();
