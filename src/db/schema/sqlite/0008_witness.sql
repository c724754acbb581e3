-- How each witness stands to each log: what came of asking it, so that every server, and one that was
-- started again, says the same. Written when that changes, else at most once a minute.
CREATE TABLE audit_witness (
    tenant_id INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    witness   TEXT NOT NULL,    -- its key, as text
    state     INTEGER NOT NULL, -- 1 cosigns, 2 fails, 3 contradicts the log
    since     INTEGER NOT NULL, -- µs, as all times here
    asked_at  INTEGER NOT NULL,
    good_at   INTEGER NOT NULL, -- when it cosigned last; 0: never
    failed_at INTEGER NOT NULL, -- 0: never
    why       TEXT,             -- of the last failure
    told      INTEGER NOT NULL, -- the state that the log's events speak of; 0: none does
    told_from INTEGER NOT NULL, -- begin of the hour in which
    told_n    INTEGER NOT NULL, -- so many events were recorded
    PRIMARY KEY (tenant_id, epoch, witness)
) STRICT, WITHOUT ROWID;
