-- Legal holds, a shorter retention that is announced, and erasure of people from the log.
-- None of these holds a person's name: users by number, the subject of an erasure sealed.

-- While a hold stands (ended_at is NULL) no month from kept_from on leaves the log.
CREATE TABLE audit_hold (
    tenant_id  INTEGER NOT NULL, cuid TEXT NOT NULL, reason TEXT NOT NULL,
    until      INTEGER,          -- NULL: until somebody releases it
    kept_from  INTEGER NOT NULL, -- start of the oldest month that was shown when it was placed
    placed_by  INTEGER NOT NULL, placed_at INTEGER NOT NULL,
    ended_by   INTEGER,          -- NULL with ended_at set: its date came
    ended_at   INTEGER, end_reason TEXT,
    PRIMARY KEY (tenant_id, cuid)
) STRICT, WITHOUT ROWID;

-- At most one row: the log is kept for the installation, so its first workspace holds it.
CREATE TABLE audit_retention (
    tenant_id INTEGER PRIMARY KEY, months INTEGER NOT NULL, asked_by INTEGER NOT NULL,
    asked_at  INTEGER NOT NULL, effective_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_erasure_request (
    tenant_id    INTEGER NOT NULL, cuid TEXT NOT NULL,
    state        TEXT NOT NULL, -- asked, delayed, running, done, cancelled
    person       TEXT NOT NULL, -- the pseudonym that stays
    subject      TEXT NOT NULL, -- sealed: whom; empty once it is over
    reason       TEXT NOT NULL, legal_ground TEXT NOT NULL,
    asked_by     INTEGER NOT NULL, asked_at INTEGER NOT NULL,
    due_at       INTEGER,       -- delayed: when it runs unless cancelled
    approved_by  INTEGER, approved_at INTEGER,
    ended_by     INTEGER, ended_at INTEGER,
    step         INTEGER NOT NULL DEFAULT 0, -- core/erasure.h
    cursor       TEXT NOT NULL DEFAULT '',   -- where in the step it stands
    looked_at    INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
    events       INTEGER NOT NULL DEFAULT 0,
    result       TEXT NOT NULL DEFAULT '',   -- JSON: ranges, copies that already hold him
    PRIMARY KEY (tenant_id, cuid)
) STRICT, WITHOUT ROWID;
