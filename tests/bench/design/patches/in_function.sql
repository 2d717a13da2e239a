-- name: schema
-- Two statements in a function: the second one's snapshot is taken when the requests are locked.
CREATE FUNCTION record_scores(int[], text[], timestamptz[], int[], text[], int[], bigint[], boolean[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE numbers bigint[]; times timestamptz[]; organizations int[]; requests text[];
BEGIN
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
    SELECT array_agg(request_no), array_agg(created_at), array_agg(organization_id), array_agg(request_id)
    INTO numbers, times, organizations, requests
    FROM touched;
    WITH given AS (
        SELECT p.value, t.request_no, t.created_at, clock_timestamp() AS at, t.organization_id, p.name_id, p.is_boolean
        FROM unnest($4, $5, $6, $7, $8) AS p (organization_id, request_id, name_id, value, is_boolean)
        JOIN unnest(numbers, times, organizations, requests) AS t (request_no, created_at, organization_id, request_id)
            ON t.organization_id = p.organization_id AND t.request_id = p.request_id
        ORDER BY t.request_no, p.name_id
    ),
    moved AS (
        INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
        SELECT s.value, s.request_no, s.scored_at, s.organization_id, s.name_id, s.origin_id, s.is_boolean
        FROM given g
        JOIN score s ON s.request_no = g.request_no AND s.organization_id = g.organization_id AND s.name_id = g.name_id
        WHERE (s.value, s.is_boolean, s.origin_id) IS DISTINCT FROM (g.value, g.is_boolean, 1)
    )
    INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean, origin_id)
    SELECT value, request_no, created_at, at, organization_id, name_id, is_boolean, 1 FROM given
    ON CONFLICT (request_no, organization_id, name_id) DO UPDATE
    SET value = excluded.value, is_boolean = excluded.is_boolean, origin_id = excluded.origin_id,
        scored_at = greatest(excluded.scored_at, score.scored_at + interval '1 microsecond')
    WHERE (score.value, score.is_boolean, score.origin_id)
        IS DISTINCT FROM (excluded.value, excluded.is_boolean, excluded.origin_id);
END $$;

-- name: upsert
SELECT record_scores($1::int[], $2::text[], $3::timestamptz[], $4::int[], $5::text[], $6::int[], $7::bigint[], $8::boolean[])
