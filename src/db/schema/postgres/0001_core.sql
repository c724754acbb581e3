-- People, roles, clients, sessions, settings, jobs. Times are microseconds since 1970 (UTC).
-- Every tenant-owned table has tenant_id first in its key.
CREATE TABLE tenant (tenant_id BIGINT PRIMARY KEY, cuid TEXT COLLATE "C" NOT NULL UNIQUE, name TEXT COLLATE "C" NOT NULL, address TEXT COLLATE "C" NOT NULL DEFAULT '', poc TEXT COLLATE "C" NOT NULL DEFAULT '{}', demo BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL);
CREATE TABLE setting (tenant_id BIGINT NOT NULL, name TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL, PRIMARY KEY (tenant_id, name));
CREATE TABLE user_account (
  tenant_id BIGINT NOT NULL, user_id BIGINT NOT NULL, cuid TEXT COLLATE "C" NOT NULL UNIQUE,
  email TEXT COLLATE "C" NOT NULL, email_folded TEXT COLLATE "C" NOT NULL, first TEXT COLLATE "C" NOT NULL, last TEXT COLLATE "C" NOT NULL,
  password_hash TEXT COLLATE "C", password_changed_at BIGINT, provider TEXT COLLATE "C" NOT NULL DEFAULT 'plextrac',
  disabled BIGINT NOT NULL DEFAULT 0, locked_until BIGINT NOT NULL DEFAULT 0, failed_logins BIGINT NOT NULL DEFAULT 0,
  last_failed_login BIGINT, last_login BIGINT, activated_at BIGINT,
  default_group BIGINT NOT NULL DEFAULT 0, tier_id BIGINT, language TEXT COLLATE "C" NOT NULL DEFAULT 'en',
  mfa_secret BYTEA, mfa_enabled BIGINT NOT NULL DEFAULT 0, mfa_pending BYTEA, mfa_last_step BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, user_id), UNIQUE (email_folded));
CREATE UNIQUE INDEX user_account_id ON user_account (user_id);
CREATE TABLE preference (tenant_id BIGINT NOT NULL, user_id BIGINT NOT NULL, name TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL, PRIMARY KEY (tenant_id, user_id, name));
CREATE TABLE role (tenant_id BIGINT NOT NULL, cuid TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, title TEXT COLLATE "C" NOT NULL, description TEXT COLLATE "C" NOT NULL DEFAULT '', enabled BIGINT NOT NULL DEFAULT 1, builtin BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, cuid), UNIQUE (tenant_id, key));
CREATE TABLE role_permission (tenant_id BIGINT NOT NULL, role_cuid TEXT COLLATE "C" NOT NULL, permission TEXT COLLATE "C" NOT NULL, PRIMARY KEY (tenant_id, role_cuid, permission));
CREATE TABLE user_role (tenant_id BIGINT NOT NULL, user_id BIGINT NOT NULL, role_cuid TEXT COLLATE "C" NOT NULL, PRIMARY KEY (tenant_id, user_id, role_cuid));
CREATE INDEX user_role_role ON user_role (tenant_id, role_cuid);
CREATE TABLE tier (tenant_id BIGINT NOT NULL, tier_id BIGINT NOT NULL, cuid TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, description TEXT COLLATE "C" NOT NULL DEFAULT '', level BIGINT NOT NULL, enabled BIGINT NOT NULL DEFAULT 1, PRIMARY KEY (tenant_id, tier_id));
CREATE TABLE client (
  tenant_id BIGINT NOT NULL, client_id BIGINT NOT NULL, cuid TEXT COLLATE "C" NOT NULL UNIQUE, name TEXT COLLATE "C" NOT NULL, description TEXT COLLATE "C" NOT NULL DEFAULT '',
  poc TEXT COLLATE "C" NOT NULL DEFAULT '', poc_email TEXT COLLATE "C" NOT NULL DEFAULT '', tags TEXT COLLATE "C" NOT NULL DEFAULT '[]', custom_field TEXT COLLATE "C" NOT NULL DEFAULT '[]',
  logo TEXT COLLATE "C" NOT NULL DEFAULT '', extra TEXT COLLATE "C" NOT NULL DEFAULT '{}', created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, client_id));
CREATE TABLE client_user (tenant_id BIGINT NOT NULL, client_id BIGINT NOT NULL, user_id BIGINT NOT NULL, role_cuid TEXT COLLATE "C" NOT NULL, tier_id BIGINT, PRIMARY KEY (tenant_id, client_id, user_id));
CREATE INDEX client_user_user ON client_user (tenant_id, user_id);
CREATE TABLE tag (tenant_id BIGINT NOT NULL, id TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE session (
  tenant_id BIGINT NOT NULL, cuid TEXT COLLATE "C" NOT NULL, user_id BIGINT NOT NULL, created_at BIGINT NOT NULL, last_used BIGINT NOT NULL,
  expires_at BIGINT NOT NULL, ended_at BIGINT, address TEXT COLLATE "C" NOT NULL, user_agent TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, cuid));
CREATE INDEX session_by_user ON session (tenant_id, user_id);
CREATE TABLE access_token (
  tenant_id BIGINT NOT NULL, cuid TEXT COLLATE "C" NOT NULL, user_id BIGINT NOT NULL, name TEXT COLLATE "C" NOT NULL, hash BYTEA NOT NULL, scopes TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, last_used BIGINT, uses BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (tenant_id, cuid));
CREATE TABLE login_challenge (id TEXT COLLATE "C" PRIMARY KEY, tenant_id BIGINT NOT NULL, user_id BIGINT NOT NULL, tries BIGINT NOT NULL DEFAULT 0, expires_at BIGINT NOT NULL, kind TEXT COLLATE "C" NOT NULL);
CREATE TABLE login_counter (key TEXT COLLATE "C" PRIMARY KEY, failures BIGINT NOT NULL, first_at BIGINT NOT NULL, last_at BIGINT NOT NULL, locked_until BIGINT NOT NULL DEFAULT 0);
CREATE TABLE one_time_link (hash TEXT COLLATE "C" PRIMARY KEY, tenant_id BIGINT NOT NULL, user_id BIGINT, kind TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT);
CREATE TABLE recovery_code (tenant_id BIGINT NOT NULL, user_id BIGINT NOT NULL, hash TEXT COLLATE "C" NOT NULL, used_at BIGINT, PRIMARY KEY (tenant_id, user_id, hash));
CREATE TABLE device (tenant_id BIGINT NOT NULL, cuid TEXT COLLATE "C" NOT NULL, user_id BIGINT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, cuid));
CREATE TABLE notification (tenant_id BIGINT NOT NULL, id TEXT COLLATE "C" NOT NULL, user_id BIGINT NOT NULL, message TEXT COLLATE "C" NOT NULL, read_at BIGINT, created_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE job (
  job_id BIGINT PRIMARY KEY, tenant_id BIGINT NOT NULL, kind TEXT COLLATE "C" NOT NULL, state TEXT COLLATE "C" NOT NULL, args TEXT COLLATE "C" NOT NULL, result TEXT COLLATE "C",
  attempts BIGINT NOT NULL DEFAULT 0, run_at BIGINT NOT NULL, lease_until BIGINT NOT NULL DEFAULT 0, owner TEXT COLLATE "C", created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);
CREATE INDEX job_ready ON job (state, run_at);
CREATE TABLE lease (name TEXT COLLATE "C" PRIMARY KEY, owner TEXT COLLATE "C" NOT NULL, until BIGINT NOT NULL);
CREATE TABLE audit_view (tenant_id BIGINT NOT NULL, user_id BIGINT NOT NULL, session TEXT COLLATE "C" NOT NULL, minute BIGINT NOT NULL, first_query TEXT COLLATE "C" NOT NULL, last_query TEXT COLLATE "C" NOT NULL, views BIGINT NOT NULL, PRIMARY KEY (tenant_id, session));
CREATE TABLE process_run (run TEXT COLLATE "C" PRIMARY KEY, host TEXT COLLATE "C" NOT NULL, version TEXT COLLATE "C" NOT NULL, started_at BIGINT NOT NULL, stopped_at BIGINT);
CREATE SEQUENCE seq_user;
CREATE SEQUENCE seq_client;
CREATE SEQUENCE seq_role;
CREATE SEQUENCE seq_tier;
CREATE SEQUENCE seq_tag;
CREATE SEQUENCE seq_job;
CREATE SEQUENCE seq_segment;
CREATE SEQUENCE seq_tenant;
