-- Who may call. Both tables are small; in a cluster they stay on every node (reference tables).

CREATE TABLE organization (
    id integer GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT organization_pkey PRIMARY KEY (id),
    CONSTRAINT organization_name_key UNIQUE (name)
);

CREATE TABLE api_key (
    id integer GENERATED ALWAYS AS IDENTITY,
    organization_id integer NOT NULL,
    -- SHA-256 of the key: the key itself is shown once and kept nowhere.
    key_hash bytea NOT NULL,
    -- The key's end, by which its owner recognises it.
    hint text NOT NULL,
    name text NOT NULL,
    permissions text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_key_pkey PRIMARY KEY (id),
    -- Every call looks its key up here.
    CONSTRAINT api_key_key_hash_key UNIQUE (key_hash),
    CONSTRAINT api_key_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT api_key_permissions_check CHECK (permissions IN ('rw', 'r', 'w'))
);
