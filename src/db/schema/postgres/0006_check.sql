-- The server's own check of the log, walking slowly and for ever: where it stands, what it found.

-- One row.
CREATE TABLE audit_check (
    id               bigint PRIMARY KEY CHECK (id = 1),
    pass             bigint NOT NULL, -- number of the pass that runs
    started_at       bigint NOT NULL, -- when it began
    events           bigint NOT NULL, -- looked at in it
    tenant_id        bigint NOT NULL, -- where it stands
    epoch            bigint NOT NULL,
    idx              bigint NOT NULL,
    completed_at     bigint NOT NULL, -- end of the last whole pass; 0: none yet
    completed_events bigint NOT NULL
);
INSERT INTO audit_check (id, pass, started_at, events, tenant_id, epoch, idx, completed_at,
                         completed_events) VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0);

-- What is wrong. A finding that a later whole pass does not meet again is taken out.
CREATE TABLE audit_finding (
    mark      text COLLATE "C" PRIMARY KEY, -- of place and kind: the same thing is told once
    tenant_id bigint NOT NULL, -- -1: the installation's log, or the store
    epoch     bigint NOT NULL,
    idx       bigint NOT NULL, -- -1: no single event
    origin    text COLLATE "C" NOT NULL,
    what      text COLLATE "C" NOT NULL,
    expected  text COLLATE "C",
    found     text COLLATE "C",
    first_at  bigint NOT NULL,
    last_at   bigint NOT NULL,
    pass      bigint NOT NULL  -- the last one that met it
);
