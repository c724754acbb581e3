-- Cosignatures of witnesses: the last of each witness on each log.
CREATE TABLE audit_cosigned (
    tenant_id INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    witness   TEXT NOT NULL,    -- its key, as text
    size      INTEGER NOT NULL,
    at        INTEGER NOT NULL, -- by the witness's clock
    note      TEXT NOT NULL,    -- the checkpoint it cosigned, with the log's signature and its own
    PRIMARY KEY (tenant_id, epoch, witness)
) STRICT, WITHOUT ROWID;

-- Which server sends to the witnesses. One row.
CREATE TABLE audit_cosign_turn (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    holder  TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
INSERT INTO audit_cosign_turn (id, holder, expires) VALUES (1, '', 0);
