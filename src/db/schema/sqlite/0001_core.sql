-- People, roles, clients, sessions, settings, jobs. Times are microseconds since 1970 (UTC).
-- Every tenant-owned table has tenant_id first in its key.
CREATE TABLE tenant (tenant_id INTEGER PRIMARY KEY, cuid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, address TEXT NOT NULL DEFAULT '', poc TEXT NOT NULL DEFAULT '{}', demo INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL);
CREATE TABLE setting (tenant_id INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tenant_id, name));
CREATE TABLE user_account (
  tenant_id INTEGER NOT NULL, user_id INTEGER NOT NULL, cuid TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL, email_folded TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL,
  password_hash TEXT, password_changed_at INTEGER, provider TEXT NOT NULL DEFAULT 'plextrac',
  disabled INTEGER NOT NULL DEFAULT 0, locked_until INTEGER NOT NULL DEFAULT 0, failed_logins INTEGER NOT NULL DEFAULT 0,
  last_failed_login INTEGER, last_login INTEGER, activated_at INTEGER,
  default_group INTEGER NOT NULL DEFAULT 0, tier_id INTEGER, language TEXT NOT NULL DEFAULT 'en',
  mfa_secret BLOB, mfa_enabled INTEGER NOT NULL DEFAULT 0, mfa_pending BLOB, mfa_last_step INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, user_id), UNIQUE (email_folded));
CREATE UNIQUE INDEX user_account_id ON user_account (user_id);
CREATE TABLE preference (tenant_id INTEGER NOT NULL, user_id INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tenant_id, user_id, name));
CREATE TABLE role (tenant_id INTEGER NOT NULL, cuid TEXT NOT NULL, key TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', enabled INTEGER NOT NULL DEFAULT 1, builtin INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL, PRIMARY KEY (tenant_id, cuid), UNIQUE (tenant_id, key));
CREATE TABLE role_permission (tenant_id INTEGER NOT NULL, role_cuid TEXT NOT NULL, permission TEXT NOT NULL, PRIMARY KEY (tenant_id, role_cuid, permission));
CREATE TABLE user_role (tenant_id INTEGER NOT NULL, user_id INTEGER NOT NULL, role_cuid TEXT NOT NULL, PRIMARY KEY (tenant_id, user_id, role_cuid));
CREATE INDEX user_role_role ON user_role (tenant_id, role_cuid);
CREATE TABLE tier (tenant_id INTEGER NOT NULL, tier_id INTEGER NOT NULL, cuid TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', level INTEGER NOT NULL, enabled INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (tenant_id, tier_id));
CREATE TABLE client (
  tenant_id INTEGER NOT NULL, client_id INTEGER NOT NULL, cuid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
  poc TEXT NOT NULL DEFAULT '', poc_email TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '[]', custom_field TEXT NOT NULL DEFAULT '[]',
  logo TEXT NOT NULL DEFAULT '', extra TEXT NOT NULL DEFAULT '{}', created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, client_id));
CREATE TABLE client_user (tenant_id INTEGER NOT NULL, client_id INTEGER NOT NULL, user_id INTEGER NOT NULL, role_cuid TEXT NOT NULL, tier_id INTEGER, PRIMARY KEY (tenant_id, client_id, user_id));
CREATE INDEX client_user_user ON client_user (tenant_id, user_id);
CREATE TABLE tag (tenant_id INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE session (
  tenant_id INTEGER NOT NULL, cuid TEXT NOT NULL, user_id INTEGER NOT NULL, created_at INTEGER NOT NULL, last_used INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, ended_at INTEGER, address TEXT NOT NULL, user_agent TEXT NOT NULL, kind TEXT NOT NULL,
  PRIMARY KEY (tenant_id, cuid));
CREATE INDEX session_by_user ON session (tenant_id, user_id);
CREATE TABLE access_token (
  tenant_id INTEGER NOT NULL, cuid TEXT NOT NULL, user_id INTEGER NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL, scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, last_used INTEGER, uses INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (tenant_id, cuid));
CREATE TABLE login_challenge (id TEXT PRIMARY KEY, tenant_id INTEGER NOT NULL, user_id INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, expires_at INTEGER NOT NULL, kind TEXT NOT NULL);
CREATE TABLE login_counter (key TEXT PRIMARY KEY, failures INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, locked_until INTEGER NOT NULL DEFAULT 0);
CREATE TABLE one_time_link (hash TEXT PRIMARY KEY, tenant_id INTEGER NOT NULL, user_id INTEGER, kind TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER);
CREATE TABLE recovery_code (tenant_id INTEGER NOT NULL, user_id INTEGER NOT NULL, hash TEXT NOT NULL, used_at INTEGER, PRIMARY KEY (tenant_id, user_id, hash));
CREATE TABLE device (tenant_id INTEGER NOT NULL, cuid TEXT NOT NULL, user_id INTEGER NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (tenant_id, cuid));
CREATE TABLE notification (tenant_id INTEGER NOT NULL, id TEXT NOT NULL, user_id INTEGER NOT NULL, message TEXT NOT NULL, read_at INTEGER, created_at INTEGER NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE job (
  job_id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, args TEXT NOT NULL, result TEXT,
  attempts INTEGER NOT NULL DEFAULT 0, run_at INTEGER NOT NULL, lease_until INTEGER NOT NULL DEFAULT 0, owner TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
CREATE INDEX job_ready ON job (state, run_at);
CREATE TABLE lease (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL);
CREATE TABLE audit_view (tenant_id INTEGER NOT NULL, user_id INTEGER NOT NULL, session TEXT NOT NULL, minute INTEGER NOT NULL, first_query TEXT NOT NULL, last_query TEXT NOT NULL, views INTEGER NOT NULL, PRIMARY KEY (tenant_id, session));
CREATE TABLE process_run (run TEXT PRIMARY KEY, host TEXT NOT NULL, version TEXT NOT NULL, started_at INTEGER NOT NULL, stopped_at INTEGER);
