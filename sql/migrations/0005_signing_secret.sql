-- What the service signs and hands out: sessions of the dashboard, and addresses of bodies that are read without a key.

-- One row a purpose, here and not in a setting, so that all services on one database share them.
CREATE TABLE signing_secret (
    purpose text NOT NULL,
    secret bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT signing_secret_pkey PRIMARY KEY (purpose),
    CONSTRAINT signing_secret_purpose_check CHECK (purpose IN ('session', 'body_url')),
    CONSTRAINT signing_secret_secret_check CHECK (octet_length(secret) = 32)
);

-- gen_random_uuid() takes 122 bits from the strong generator; three of them are more than SHA-256 keeps.
INSERT INTO signing_secret (purpose, secret)
SELECT p.purpose, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
FROM (VALUES ('session'), ('body_url')) AS p (purpose);

-- Sessions that were ended before their time: their cookies, which somebody may have copied, are signed and not old.
CREATE TABLE ended_session (
    id text NOT NULL,
    -- When its cookie expires by itself, at the latest: the row is needed no longer.
    expires_at timestamptz NOT NULL,
    CONSTRAINT ended_session_pkey PRIMARY KEY (id)
);
