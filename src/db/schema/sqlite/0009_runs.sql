-- From which data folder a run served, and when it was last seen: a time when no server ran is measured from there.
ALTER TABLE process_run ADD COLUMN folder TEXT NOT NULL DEFAULT '';
ALTER TABLE process_run ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;

-- Gaps between runs that the workspaces' logs do not tell yet. At most one row.
CREATE TABLE run_gap (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    told_at INTEGER NOT NULL, -- when gaps were told last; 0: never
    starts  INTEGER NOT NULL, -- since then
    unclean INTEGER NOT NULL, -- how many of the runs before them did not end in order
    us      INTEGER NOT NULL, -- off, in all
    since   INTEGER NOT NULL, -- of the first; 0: nobody saw
    latest  INTEGER NOT NULL  -- end of the last
) STRICT;
