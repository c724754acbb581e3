-- The clock as each machine saw it last, compared at the next start; and whether a step of it holds the month end.

CREATE TABLE audit_clock (
    host TEXT PRIMARY KEY,
    boot TEXT NOT NULL,    -- the kernel's id of that boot, empty where it tells none
    wall INTEGER NOT NULL, -- µs since 1970
    up   INTEGER NOT NULL  -- µs since that boot
) STRICT, WITHOUT ROWID;

-- A row while nothing is dropped, until an administrator confirms the clock.
CREATE TABLE audit_clock_hold (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    at    INTEGER NOT NULL,
    moved INTEGER NOT NULL -- µs by which the clock moved against what was expected
) STRICT;
