-- name: schema
CREATE TABLE request (
    request_key uuid NOT NULL,
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    organization_id int NOT NULL,
    status int,
    request_id text NOT NULL,
    model text,
    properties jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT request_key PRIMARY KEY (request_key)
);
CREATE INDEX request_time ON request (organization_id, created_at);
CREATE TABLE score (
    request_key uuid NOT NULL,
    value bigint NOT NULL,
    request_created_at timestamptz(3) NOT NULL,
    scored_at timestamptz(3) NOT NULL,
    name_id int NOT NULL,
    is_boolean boolean,
    CONSTRAINT score_key PRIMARY KEY (request_key, name_id)
);
CREATE INDEX score_time ON score (name_id, request_created_at, value);
CREATE INDEX score_value ON score (name_id, value);

-- name: upsert
-- $1-$3 one element per request; $4-$7 one per score; $8 the requests' keys.
WITH touched AS (
    INSERT INTO request (request_key, organization_id, request_id, created_at, updated_at)
    SELECT p.request_key, p.organization_id, p.request_id, p.at, p.at
    FROM unnest($8::uuid[], $1::int[], $2::text[], $3::timestamptz[])
        AS p (request_key, organization_id, request_id, at)
    ORDER BY p.request_key
    ON CONFLICT (request_key) DO UPDATE SET updated_at = excluded.updated_at
    RETURNING request_key, created_at, updated_at
)
INSERT INTO score (request_key, value, request_created_at, scored_at, name_id, is_boolean)
SELECT t.request_key, p.value, t.created_at, t.updated_at, p.name_id, p.is_boolean
FROM unnest($4::uuid[], $5::int[], $6::bigint[], $7::boolean[])
    AS p (request_key, name_id, value, is_boolean)
JOIN touched t ON t.request_key = p.request_key
ORDER BY t.request_key, p.name_id
ON CONFLICT (request_key, name_id) DO UPDATE
SET value = excluded.value, is_boolean = excluded.is_boolean, scored_at = excluded.scored_at
WHERE (score.value, score.is_boolean) IS DISTINCT FROM (excluded.value, excluded.is_boolean)
