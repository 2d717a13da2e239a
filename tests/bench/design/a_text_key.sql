-- name: schema
CREATE TABLE request (
    organization_id int NOT NULL,
    request_id text NOT NULL,
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    status int,
    model text,
    properties jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT request_key PRIMARY KEY (organization_id, request_id)
);
CREATE INDEX request_time ON request (organization_id, created_at);
CREATE TABLE score (
    organization_id int NOT NULL,
    request_id text NOT NULL,
    name text NOT NULL,
    value bigint NOT NULL,
    is_boolean boolean,
    request_created_at timestamptz(3) NOT NULL,
    scored_at timestamptz(3) NOT NULL,
    CONSTRAINT score_key PRIMARY KEY (organization_id, request_id, name)
);
CREATE INDEX score_time ON score (organization_id, name, request_created_at, value);
CREATE INDEX score_value ON score (organization_id, name, value);

-- name: upsert
-- $1-$3 one element per request; $4-$8 one per score; both sorted and free of duplicates.
WITH touched AS (
    INSERT INTO request (organization_id, request_id, created_at, updated_at)
    SELECT p.organization_id, p.request_id, p.at, p.at
    FROM unnest($1::int[], $2::text[], $3::timestamptz[]) AS p (organization_id, request_id, at)
    ORDER BY p.organization_id, p.request_id
    ON CONFLICT (organization_id, request_id) DO UPDATE SET updated_at = excluded.updated_at
    RETURNING organization_id, request_id, created_at, updated_at
)
INSERT INTO score (organization_id, request_id, name, value, is_boolean, request_created_at, scored_at)
SELECT t.organization_id, t.request_id, p.name, p.value, p.is_boolean, t.created_at, t.updated_at
FROM unnest($4::int[], $5::text[], $6::text[], $7::bigint[], $8::boolean[])
    AS p (organization_id, request_id, name, value, is_boolean)
JOIN touched t ON t.organization_id = p.organization_id AND t.request_id = p.request_id
ORDER BY t.organization_id, t.request_id, p.name
ON CONFLICT (organization_id, request_id, name) DO UPDATE
SET value = excluded.value, is_boolean = excluded.is_boolean, scored_at = excluded.scored_at
WHERE (score.value, score.is_boolean) IS DISTINCT FROM (excluded.value, excluded.is_boolean)
