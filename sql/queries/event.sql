-- Events. Where $1 and $2 are snapshots (pg_snapshot as text), the events between them are those of transactions that
-- are visible in the second and not in the first.

-- name: take_snapshot
SELECT pg_current_snapshot()::text

-- name: look
-- The same, with the time that was before.
SELECT pg_current_snapshot()::text AS snapshot, now() AS at

-- name: read_between
-- In order of number, those after $3, of the organizations $4 (null: all). A request that is removed takes its events
-- with it, since they would name what is to be forgotten.
-- What is not visible in the first snapshot was running then, or has begun since: two ranges of the index. Read from the
-- oldest transaction that was running, one that stays open for an hour would have each reader walk an hour of events.
-- What belongs to an event is looked up row by row (LIMIT keeps the planner from a join): it has no statistics of
-- transactions, expects thousands of events, and would read all requests for one.
WITH page AS MATERIALIZED (
    SELECT e.id, e.organization_id, e.type, e.happened_at, e.request_no, e.value, e.is_boolean, e.scored_at, e.name_id,
        e.origin_id, e.body
    FROM (
        SELECT transaction_id, id, organization_id, type, happened_at, request_no, value, is_boolean, scored_at, name_id, origin_id,
            body
        FROM event
        WHERE transaction_id = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
        UNION ALL
        SELECT transaction_id, id, organization_id, type, happened_at, request_no, value, is_boolean, scored_at, name_id, origin_id,
            body
        FROM event
        WHERE transaction_id >= pg_snapshot_xmax($1::text::pg_snapshot)
        AND transaction_id < pg_snapshot_xmax($2::text::pg_snapshot)
    ) AS e
    WHERE pg_visible_in_snapshot(e.transaction_id, $2::text::pg_snapshot) AND e.id > $3
        AND ($4::integer[] IS NULL OR e.organization_id = ANY ($4::integer[]))
        AND (e.request_no IS NULL OR (
            SELECT true FROM request AS r
            WHERE r.request_no = e.request_no AND r.organization_id = e.organization_id
            LIMIT 1
        ))
    ORDER BY e.id
    LIMIT $5
)
SELECT
    e.id, e.organization_id, e.type, e.happened_at, e.request_no, r.request_id, n.name, e.value,
    e.is_boolean IS NOT NULL AS is_boolean, e.scored_at, o.kind, o.name AS author, o.version, c.comment, e.body::text AS body,
    r.created_at, r.model, r.provider, r.user_id, r.prompt_id, r.prompt_version, r.status, r.latency_ms, r.cost_usd,
    CASE WHEN e.type = 'request.logged' AND octet_length(r.properties::text) <= 16384 THEN r.properties::text END
        AS properties
FROM page AS e
LEFT JOIN LATERAL (
    SELECT request_id, created_at, model, provider, user_id, prompt_id, prompt_version, status, latency_ms, cost_usd,
        properties
    FROM request
    WHERE request_no = e.request_no AND organization_id = e.organization_id
    LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT name FROM score_name WHERE id = e.name_id AND organization_id = e.organization_id LIMIT 1
) AS n ON true
LEFT JOIN LATERAL (
    SELECT kind, name, version FROM score_origin WHERE id = e.origin_id AND organization_id = e.organization_id LIMIT 1
) AS o ON true
LEFT JOIN LATERAL (
    SELECT comment FROM score_comment
    WHERE request_no = e.request_no AND organization_id = e.organization_id AND name_id = e.name_id
    AND scored_at = e.scored_at
    LIMIT 1
) AS c ON true
ORDER BY e.id

-- name: publish
INSERT INTO event (organization_id, type, body) VALUES ($1, $2, $3::text::jsonb)

-- name: set_interest
-- One that has ended begins again.
INSERT INTO event_interest AS i (organization_id, type, source, until)
SELECT $1, t.type, $3, $4 FROM unnest($2::text[]) AS t (type)
ORDER BY t.type
ON CONFLICT ON CONSTRAINT event_interest_pkey DO UPDATE SET
    until = greatest(i.until, excluded.until),
    since = CASE WHEN i.until > excluded.since THEN i.since ELSE excluded.since END  -- the default of since is now

-- name: find_since
-- Since when there are events of each of the types $2 of an organization; those without interest are left out.
SELECT type, min(since) AS since
FROM event_interest
WHERE organization_id = $1 AND type = ANY ($2::text[]) AND until > now()
GROUP BY type

-- name: drop_interest
-- In the types $2 no longer.
DELETE FROM event_interest WHERE organization_id = $1 AND type = ANY ($2::text[]) AND source = $3

-- name: prune
-- Of the oldest $1, removes those that are older than an hour, if they have become deliveries, or older than a day. The
-- table is not searched for others: they lie in order of their transactions, and so nearly of their age.
WITH oldest AS MATERIALIZED (
    SELECT transaction_id, id, happened_at FROM event ORDER BY transaction_id, id LIMIT $1 FOR UPDATE SKIP LOCKED
)
DELETE FROM event AS e
USING oldest AS o
WHERE e.transaction_id = o.transaction_id AND e.id = o.id AND o.happened_at < now() - interval '1 hour' AND (
    o.happened_at < now() - interval '24 hours'
    OR coalesce((SELECT pg_visible_in_snapshot(o.transaction_id, c.from_snapshot) FROM event_cursor AS c), true)
)

-- name: prune_interest
DELETE FROM event_interest WHERE until < now()
