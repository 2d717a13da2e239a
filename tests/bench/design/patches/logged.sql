-- name: upsert
-- Every value is appended to the history when it comes, not when it is replaced.
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
),
given AS (
    SELECT p.value, t.request_no, t.created_at, clock_timestamp() AS at, t.organization_id, p.name_id, p.is_boolean
    FROM unnest($4::int[], $5::text[], $6::int[], $7::bigint[], $8::boolean[])
        AS p (organization_id, request_id, name_id, value, is_boolean)
    JOIN touched t ON t.organization_id = p.organization_id AND t.request_id = p.request_id
    ORDER BY t.request_no, p.name_id
),
logged AS (
    INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
    SELECT value, request_no, at, organization_id, name_id, 1, is_boolean FROM given
)
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean, origin_id)
SELECT value, request_no, created_at, at, organization_id, name_id, is_boolean, 1 FROM given
ON CONFLICT (request_no, organization_id, name_id) DO UPDATE
SET value = excluded.value, is_boolean = excluded.is_boolean, origin_id = excluded.origin_id,
    scored_at = greatest(excluded.scored_at, score.scored_at + interval '1 microsecond')
WHERE (score.value, score.is_boolean, score.origin_id)
    IS DISTINCT FROM (excluded.value, excluded.is_boolean, excluded.origin_id)
