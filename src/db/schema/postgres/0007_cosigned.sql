-- Cosignatures of witnesses: the last of each witness on each log.
CREATE TABLE audit_cosigned (
    tenant_id bigint NOT NULL,
    epoch     bigint NOT NULL,
    witness   text COLLATE "C" NOT NULL, -- its key, as text
    size      bigint NOT NULL,
    at        bigint NOT NULL,           -- by the witness's clock
    note      text COLLATE "C" NOT NULL, -- the checkpoint it cosigned, with the log's signature and its own
    PRIMARY KEY (tenant_id, epoch, witness)
);

-- Which server sends to the witnesses. One row.
CREATE TABLE audit_cosign_turn (
    id      bigint PRIMARY KEY CHECK (id = 1),
    holder  text COLLATE "C" NOT NULL,
    expires bigint NOT NULL
);
INSERT INTO audit_cosign_turn (id, holder, expires) VALUES (1, '', 0);
