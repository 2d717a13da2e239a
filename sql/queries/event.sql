-- Events. Where $2 and $3 are snapshots (pg_snapshot as text), the events between them are those of transactions that
-- are visible in the second and not in the first. $1 says whose: an organization's, with those of all that are kept beside
-- it. The high bits of a transaction's number, and of those of a snapshot, are the node's (`domain/snapshots.py`).

-- name: take_snapshot
-- runs on the node of $1
SELECT event_snapshot()::text AS snapshot WHERE $1::integer IS NOT NULL

-- name: look
-- runs on the node of $1
-- The same, with the time that was before.
SELECT event_snapshot()::text AS snapshot, now() AS at WHERE $1::integer IS NOT NULL

-- name: find_end
-- runs on the node of $1
-- A snapshot in which all events from $2 until $3 are visible: those of a node that writes here no longer. Should it write
-- here again, that will be by later transactions. (No transaction has a number whose lower half is 0, nor a snapshot.)
SELECT format('%1$s:%1$s:', n.next + (n.next & 4294967295 = 0)::integer) AS snapshot
FROM (
    SELECT 1 + coalesce((
        SELECT e.transaction_id
        FROM event AS e
        WHERE e.transaction_id >= pg_snapshot_xmax($2::text::pg_snapshot)
        AND e.transaction_id < pg_snapshot_xmax($3::text::pg_snapshot)
        ORDER BY e.transaction_id DESC
        LIMIT 1
    ), pg_snapshot_xmax($2::text::pg_snapshot))::text::bigint AS next
) AS n
WHERE $1::integer IS NOT NULL

-- name: find_new
-- runs on the node of $1
-- The snapshot of now, and the nodes of which there are events that are not visible in their snapshots: $3 are those of the
-- nodes $2. It runs every second in every service, so it reads no more than an index: the first event of each node, of
-- each transaction that ran when its snapshot was taken and of those that have begun since (as read_between, and for its
-- reason). ORDER BY is for the planner: for any one row of many that it expects, it would read the whole table.
WITH RECURSIVE present AS (
    SELECT (SELECT e.transaction_id::text::bigint FROM event AS e ORDER BY e.transaction_id LIMIT 1) >> 48 AS node
    UNION ALL
    SELECT (
        SELECT e.transaction_id::text::bigint
        FROM event AS e
        WHERE e.transaction_id >= ((p.node + 1) << 48)::text::xid8
        ORDER BY e.transaction_id
        LIMIT 1
    ) >> 48
    FROM present AS p
    WHERE p.node IS NOT NULL
)
SELECT event_snapshot()::text AS snapshot, array_to_string(ARRAY(
    SELECT p.node
    FROM present AS p
    LEFT JOIN LATERAL (
        SELECT s.seen::pg_snapshot AS seen
        FROM unnest($2::integer[], $3::text[]) AS s (node, seen)
        WHERE s.node = p.node
    ) AS c ON true
    WHERE p.node IS NOT NULL AND (
        c.seen IS NULL
        OR EXISTS (
            SELECT FROM pg_snapshot_xip(c.seen) AS running (transaction_id)
            CROSS JOIN LATERAL (
                SELECT e.id FROM event AS e WHERE e.transaction_id = running.transaction_id ORDER BY e.id LIMIT 1
            ) AS first
        )
        OR (
            SELECT e.id FROM event AS e
            WHERE e.transaction_id >= pg_snapshot_xmax(c.seen)
            AND e.transaction_id < ((p.node + 1) << 48)::text::xid8
            ORDER BY e.transaction_id
            LIMIT 1
        ) IS NOT NULL
    )
), ',') AS nodes
WHERE $1::integer IS NOT NULL

-- name: read_between
-- runs on the node of $1
-- In order of number, those after $4, of the organizations $5 (null: all). A request that is removed takes its events
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
        WHERE transaction_id = ANY (ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot)))
        UNION ALL
        SELECT transaction_id, id, organization_id, type, happened_at, request_no, value, is_boolean, scored_at, name_id, origin_id,
            body
        FROM event
        WHERE transaction_id >= pg_snapshot_xmax($2::text::pg_snapshot)
        AND transaction_id < pg_snapshot_xmax($3::text::pg_snapshot)
    ) AS e
    WHERE $1::integer IS NOT NULL AND pg_visible_in_snapshot(e.transaction_id, $3::text::pg_snapshot) AND e.id > $4
        AND ($5::integer[] IS NULL OR e.organization_id = ANY ($5::integer[]))
        AND (e.request_no IS NULL OR (
            SELECT true FROM request AS r
            WHERE r.request_no = e.request_no AND r.organization_id = e.organization_id
            LIMIT 1
        ))
    ORDER BY e.id
    LIMIT $6
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
-- runs on the node of $1
INSERT INTO event (id, organization_id, type, body) VALUES (nextval('event_id_seq'), $1, $2, $3::text::jsonb)

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
-- runs on the node of $1
-- Of the oldest $4 from $2 until $3, removes those that are older than an hour, if they are visible in $5 and so have become
-- deliveries (null: all), or older than a day; returns how many. The table is not searched for others: they lie in order of
-- their transactions, and so nearly of their age.
WITH oldest AS MATERIALIZED (
    SELECT transaction_id, id, organization_id, happened_at
    FROM event
    WHERE transaction_id >= pg_snapshot_xmax($2::text::pg_snapshot)
    AND transaction_id < pg_snapshot_xmax($3::text::pg_snapshot)
    ORDER BY transaction_id, id
    LIMIT $4
    FOR UPDATE SKIP LOCKED
),
removed AS (
    DELETE FROM event AS e
    USING oldest AS o
    WHERE e.transaction_id = o.transaction_id AND e.id = o.id AND e.organization_id + 0 = o.organization_id
    AND o.happened_at < now() - interval '1 hour' AND (
        o.happened_at < now() - interval '24 hours'
        OR coalesce(pg_visible_in_snapshot(o.transaction_id, $5::text::pg_snapshot), true)
    )
    RETURNING e.id
)
SELECT count(*) FROM removed WHERE $1::integer IS NOT NULL

-- name: prune_interest
-- runs on the node of $1
DELETE FROM event_interest WHERE until < now() AND $1::integer IS NOT NULL

-- name: remove_foreign
-- runs on the node of $1
-- Those from now on until $2, of transactions that have not begun here: once they have, other events would have the same
-- numbers.
DELETE FROM event
WHERE $1::integer IS NOT NULL AND transaction_id >= pg_snapshot_xmax(event_snapshot())
AND transaction_id < pg_snapshot_xmax($2::text::pg_snapshot)
