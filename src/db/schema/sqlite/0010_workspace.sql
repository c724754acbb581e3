-- What a workspace sets for its findings, and how a SAML provider would be reached.

CREATE TABLE sla_benchmark (
    tenant_id         INTEGER NOT NULL,
    cuid             TEXT NOT NULL,
    name             TEXT NOT NULL,
    days_to_close     INTEGER NOT NULL,
    enabled          INTEGER NOT NULL,
    severities       TEXT NOT NULL, -- lists of texts, JSON
    finding_tags     TEXT NOT NULL,
    asset_criticality TEXT NOT NULL,
    asset_tags       TEXT NOT NULL,
    notification     TEXT NOT NULL, -- object, JSON
    extra            TEXT NOT NULL, -- members of bodies that this server does not know
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, cuid)
) STRICT;

CREATE TABLE substatus (
    tenant_id  INTEGER NOT NULL,
    cuid       TEXT NOT NULL,
    status     TEXT NOT NULL, -- the finding's status that it stands under
    value      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, cuid),
    UNIQUE (tenant_id, status, value)
) STRICT;

CREATE TABLE saml_provider (
    tenant_id  INTEGER NOT NULL,
    provider   TEXT NOT NULL, -- as addresses name it
    name       TEXT NOT NULL,
    issuer     TEXT NOT NULL,
    cert       TEXT NOT NULL,
    sso_url    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, provider)
) STRICT;
