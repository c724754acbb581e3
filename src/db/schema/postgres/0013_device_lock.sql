-- Failures on browsers that have signed in before, and of people who type their own password again: for
-- all servers, and over restarts.
CREATE TABLE device_lock (
    tenant_id    BIGINT NOT NULL,
    cuid         TEXT COLLATE "C" NOT NULL, -- the browser's; the person's own where his password was asked again
    user_id      BIGINT NOT NULL,
    began_at     BIGINT NOT NULL, -- of the running window
    failures     BIGINT NOT NULL, -- in it
    earlier      BIGINT NOT NULL, -- in the window before
    locked_until BIGINT NOT NULL, -- 0: not locked
    expires_at   BIGINT NOT NULL, -- nothing is left to remember then
    PRIMARY KEY (tenant_id, cuid)
);
CREATE INDEX device_user ON device (tenant_id, user_id);
ALTER TABLE device_lock ALTER COLUMN cuid SET STATISTICS 0; -- as 0012 did for all
