-- Failures on browsers that have signed in before, and of people who type their own password again: for
-- all servers, and over restarts.
CREATE TABLE device_lock (
    tenant_id    INTEGER NOT NULL,
    cuid         TEXT NOT NULL, -- the browser's; the person's own where his password was asked again
    user_id      INTEGER NOT NULL,
    began_at     INTEGER NOT NULL, -- of the running window
    failures     INTEGER NOT NULL, -- in it
    earlier      INTEGER NOT NULL, -- in the window before
    locked_until INTEGER NOT NULL, -- 0: not locked
    expires_at   INTEGER NOT NULL, -- nothing is left to remember then
    PRIMARY KEY (tenant_id, cuid)
) STRICT;
CREATE INDEX device_user ON device (tenant_id, user_id);
