-- Events. Where $1 and $2 are snapshots (pg_snapshot as text), the events between them are those of transactions that
-- are visible in the second and not in the first.

-- name: take_snapshot
SELECT pg_current_snapshot()::text

-- name: read_between
-- In order of number, those after $3, of the organizations $4 (null: all). A request that is removed takes its events
-- with it, since they would name what is to be forgotten.
SELECT
    e.id, e.organization_id, e.type, e.happened_at, e.request_no, r.request_id, n.name, e.value,
    e.is_boolean IS NOT NULL AS is_boolean, e.scored_at, o.kind, o.name AS author, o.version, c.comment, e.body
FROM event AS e
LEFT JOIN request AS r ON r.request_no = e.request_no AND r.organization_id = e.organization_id
LEFT JOIN score_name AS n ON n.id = e.name_id AND n.organization_id = e.organization_id
LEFT JOIN score_origin AS o ON o.id = e.origin_id AND o.organization_id = e.organization_id
LEFT JOIN score_comment AS c
    ON c.request_no = e.request_no AND c.organization_id = e.organization_id AND c.name_id = e.name_id
    AND c.scored_at = e.scored_at
WHERE e.transaction_id >= pg_snapshot_xmin($1::text::pg_snapshot)
    AND e.transaction_id < pg_snapshot_xmax($2::text::pg_snapshot)
    AND NOT pg_visible_in_snapshot(e.transaction_id, $1::text::pg_snapshot)
    AND pg_visible_in_snapshot(e.transaction_id, $2::text::pg_snapshot)
    AND e.id > $3 AND ($4::integer[] IS NULL OR e.organization_id = ANY ($4::integer[]))
    AND (e.request_no IS NULL OR r.request_no IS NOT NULL)
ORDER BY e.id
LIMIT $5

-- name: publish
INSERT INTO event (organization_id, type, body) VALUES ($1, $2, $3::text::jsonb)

-- name: set_interest
INSERT INTO event_interest AS i (organization_id, type, source, until)
SELECT $1, t.type, $3, $4 FROM unnest($2::text[]) AS t (type)
ON CONFLICT ON CONSTRAINT event_interest_pkey DO UPDATE SET until = greatest(i.until, excluded.until)

-- name: drop_interest
-- In the types $2 no longer.
DELETE FROM event_interest WHERE organization_id = $1 AND type = ANY ($2::text[]) AND source = $3
