-- What a workspace sets for its findings, and how a SAML provider would be reached.

CREATE TABLE sla_benchmark (
    tenant_id        bigint NOT NULL,
    cuid             text COLLATE "C" NOT NULL,
    name             text COLLATE "C" NOT NULL,
    days_to_close    bigint NOT NULL,
    enabled          bigint NOT NULL,
    severities       text COLLATE "C" NOT NULL, -- lists of texts, JSON
    finding_tags     text COLLATE "C" NOT NULL,
    asset_criticality text COLLATE "C" NOT NULL,
    asset_tags       text COLLATE "C" NOT NULL,
    notification     text COLLATE "C" NOT NULL, -- object, JSON
    extra            text COLLATE "C" NOT NULL, -- members of bodies that this server does not know
    created_at       bigint NOT NULL,
    updated_at       bigint NOT NULL,
    PRIMARY KEY (tenant_id, cuid)
);

CREATE TABLE substatus (
    tenant_id  bigint NOT NULL,
    cuid       text COLLATE "C" NOT NULL,
    status     text COLLATE "C" NOT NULL, -- the finding's status that it stands under
    value      text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, cuid),
    UNIQUE (tenant_id, status, value)
);

CREATE TABLE saml_provider (
    tenant_id  bigint NOT NULL,
    provider   text COLLATE "C" NOT NULL, -- as addresses name it
    name       text COLLATE "C" NOT NULL,
    issuer     text COLLATE "C" NOT NULL,
    cert       text COLLATE "C" NOT NULL,
    sso_url    text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, provider)
);
