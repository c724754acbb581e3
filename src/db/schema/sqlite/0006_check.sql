-- The server's own check of the log, walking slowly and for ever: where it stands, what it found.

-- One row.
CREATE TABLE audit_check (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    pass             INTEGER NOT NULL, -- number of the pass that runs
    started_at       INTEGER NOT NULL, -- when it began
    events           INTEGER NOT NULL, -- looked at in it
    tenant_id        INTEGER NOT NULL, -- where it stands
    epoch            INTEGER NOT NULL,
    idx              INTEGER NOT NULL,
    completed_at     INTEGER NOT NULL, -- end of the last whole pass; 0: none yet
    completed_events INTEGER NOT NULL
) STRICT;
INSERT INTO audit_check (id, pass, started_at, events, tenant_id, epoch, idx, completed_at,
                         completed_events) VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0);

-- What is wrong. A finding that a later whole pass does not meet again is taken out.
CREATE TABLE audit_finding (
    mark      TEXT PRIMARY KEY, -- of place and kind: the same thing is told once
    tenant_id INTEGER NOT NULL, -- -1: the installation's log, or the store
    epoch     INTEGER NOT NULL,
    idx       INTEGER NOT NULL, -- -1: no single event
    origin    TEXT NOT NULL,
    what      TEXT NOT NULL,
    expected  TEXT,
    found     TEXT,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    pass      INTEGER NOT NULL  -- the last one that met it
) STRICT;
