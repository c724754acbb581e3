-- Legal holds, a shorter retention that is announced, and erasure of people from the log.
-- None of these holds a person's name: users by number, the subject of an erasure sealed.

-- While a hold stands (ended_at is NULL) no month from kept_from on leaves the log.
CREATE TABLE audit_hold (
    tenant_id  BIGINT NOT NULL, cuid TEXT COLLATE "C" NOT NULL, reason TEXT COLLATE "C" NOT NULL,
    until      BIGINT,          -- NULL: until somebody releases it
    kept_from  BIGINT NOT NULL, -- start of the oldest month that was shown when it was placed
    placed_by  BIGINT NOT NULL, placed_at BIGINT NOT NULL,
    ended_by   BIGINT,          -- NULL with ended_at set: its date came
    ended_at   BIGINT, end_reason TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, cuid)
);

-- At most one row: the log is kept for the installation, so its first workspace holds it.
CREATE TABLE audit_retention (
    tenant_id BIGINT PRIMARY KEY, months BIGINT NOT NULL, asked_by BIGINT NOT NULL,
    asked_at  BIGINT NOT NULL, effective_at BIGINT NOT NULL
);

CREATE TABLE audit_erasure_request (
    tenant_id    BIGINT NOT NULL, cuid TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL, -- asked, delayed, running, done, cancelled
    person       TEXT COLLATE "C" NOT NULL, -- the pseudonym that stays
    subject      TEXT COLLATE "C" NOT NULL, -- sealed: whom; empty once it is over
    reason       TEXT COLLATE "C" NOT NULL, legal_ground TEXT COLLATE "C" NOT NULL,
    asked_by     BIGINT NOT NULL, asked_at BIGINT NOT NULL,
    due_at       BIGINT,       -- delayed: when it runs unless cancelled
    approved_by  BIGINT, approved_at BIGINT,
    ended_by     BIGINT, ended_at BIGINT,
    step         BIGINT NOT NULL DEFAULT 0, -- core/erasure.h
    cursor       TEXT COLLATE "C" NOT NULL DEFAULT '',   -- where in the step it stands
    looked_at    BIGINT NOT NULL DEFAULT 0, total BIGINT NOT NULL DEFAULT 0,
    events       BIGINT NOT NULL DEFAULT 0,
    result       TEXT COLLATE "C" NOT NULL DEFAULT '',   -- JSON: ranges, copies that already hold him
    PRIMARY KEY (tenant_id, cuid)
);
