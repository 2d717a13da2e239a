-- name: schema
-- Who scored, as a small number on the score. The history stays empty without another patch.
ALTER TABLE score ADD origin_id int, ALTER scored_at TYPE timestamptz;
CREATE TABLE score_history (
    value bigint,
    request_no bigint NOT NULL,
    scored_at timestamptz NOT NULL,
    organization_id int NOT NULL,
    name_id int NOT NULL,
    origin_id int,
    is_boolean boolean,
    CONSTRAINT score_history_key PRIMARY KEY (request_no, organization_id, name_id, scored_at)
);

-- name: upsert
-- $1-$3 one element per request; $4-$8 one per score; free of duplicates.
-- Numbers are drawn in order of arrival, so that number, time and place in the heap rise together and every
-- index page splits after its newest entry; rows are locked in order of their key, so that writers never deadlock.
WITH touched AS (
    INSERT INTO request (organization_id, request_id, request_no, created_at, updated_at)
    SELECT n.organization_id, n.request_id, n.request_no, n.at, n.at
    FROM (
        SELECT nextval('request_request_no_seq') AS request_no, p.organization_id, p.request_id, p.at
        FROM (
            SELECT u.organization_id, u.request_id, u.at
            FROM unnest($1::int[], $2::text[], $3::timestamptz[]) AS u (organization_id, request_id, at)
            ORDER BY u.at
        ) AS p
    ) AS n
    ORDER BY n.organization_id, n.request_id
    ON CONFLICT (organization_id, request_id) DO UPDATE SET updated_at = excluded.updated_at
    RETURNING organization_id, request_id, request_no, created_at, updated_at
)
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean, origin_id)
SELECT p.value, t.request_no, t.created_at, clock_timestamp(), t.organization_id, p.name_id, p.is_boolean, 1
FROM unnest($4::int[], $5::text[], $6::int[], $7::bigint[], $8::boolean[])
    AS p (organization_id, request_id, name_id, value, is_boolean)
JOIN touched t ON t.organization_id = p.organization_id AND t.request_id = p.request_id
ORDER BY t.request_no, p.name_id
ON CONFLICT (request_no, organization_id, name_id) DO UPDATE
SET value = excluded.value, is_boolean = excluded.is_boolean, origin_id = excluded.origin_id,
    scored_at = greatest(excluded.scored_at, score.scored_at + interval '1 microsecond')
WHERE (score.value, score.is_boolean, score.origin_id)
    IS DISTINCT FROM (excluded.value, excluded.is_boolean, excluded.origin_id)
