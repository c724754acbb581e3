-- From which data folder a run served, and when it was last seen: a time when no server ran is measured from there.
ALTER TABLE process_run ADD COLUMN folder text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE process_run ADD COLUMN seen_at bigint NOT NULL DEFAULT 0;

-- Gaps between runs that the workspaces' logs do not tell yet. At most one row.
CREATE TABLE run_gap (
    id      bigint PRIMARY KEY CHECK (id = 1),
    told_at bigint NOT NULL, -- when gaps were told last; 0: never
    starts  bigint NOT NULL, -- since then
    unclean bigint NOT NULL, -- how many of the runs before them did not end in order
    us      bigint NOT NULL, -- off, in all
    since   bigint NOT NULL, -- of the first; 0: nobody saw
    latest  bigint NOT NULL  -- end of the last
);
