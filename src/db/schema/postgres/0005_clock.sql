-- The clock as each machine saw it last, compared at the next start; and whether a step of it holds the month end.

CREATE TABLE audit_clock (
    host TEXT COLLATE "C" PRIMARY KEY,
    boot TEXT COLLATE "C" NOT NULL, -- the kernel's id of that boot, empty where it tells none
    wall BIGINT NOT NULL,           -- µs since 1970
    up   BIGINT NOT NULL            -- µs since that boot
);

-- A row while nothing is dropped, until an administrator confirms the clock.
CREATE TABLE audit_clock_hold (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    at    BIGINT NOT NULL,
    moved BIGINT NOT NULL -- µs by which the clock moved against what was expected
);
