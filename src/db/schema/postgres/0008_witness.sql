-- How each witness stands to each log: what came of asking it, so that every server, and one that was
-- started again, says the same. Written when that changes, else at most once a minute.
CREATE TABLE audit_witness (
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    witness   text COLLATE "C" NOT NULL,    -- its key, as text
    state     bigint NOT NULL, -- 1 cosigns, 2 fails, 3 contradicts the log
    since     bigint NOT NULL, -- µs, as all times here
    asked_at  bigint NOT NULL,
    good_at   bigint NOT NULL, -- when it cosigned last; 0: never
    failed_at bigint NOT NULL, -- 0: never
    why       text COLLATE "C",             -- of the last failure
    told      bigint NOT NULL, -- the state that the log's events speak of; 0: none does
    told_from bigint NOT NULL, -- begin of the hour in which
    told_n    bigint NOT NULL, -- so many events were recorded
    PRIMARY KEY (tenant_id, epoch, witness)
);
