-- Organizations: finding one, and removing it with everything in it.

-- name: ensure
-- DO UPDATE, so that a row that was there already is returned too.
INSERT INTO organization AS o (name)
VALUES ($1)
ON CONFLICT ON CONSTRAINT organization_name_key DO UPDATE SET name = excluded.name
RETURNING o.id

-- name: find
SELECT id FROM organization WHERE name = $1

-- name: began_with_key
-- Whether the transaction that made the organization also made a key of that name, which nobody can do later.
SELECT EXISTS (
    SELECT FROM organization AS o
    JOIN api_key AS k ON k.organization_id = o.id AND k.created_at = o.created_at
    WHERE o.id = $1 AND k.name = $2
)

-- name: count_requests
-- All requests, and those whose id does not begin with $2.
SELECT count(*) AS requests, count(*) FILTER (WHERE NOT starts_with(r.request_id, $2)) AS others
FROM request AS r
WHERE r.organization_id = $1

-- name: revoke_keys
UPDATE api_key SET revoked_at = now() WHERE organization_id = $1 AND revoked_at IS NULL

-- name: remove_requests
-- The next thousand, locked in the same order as every writer locks them.
DELETE FROM request
WHERE organization_id = $1 AND request_id = ANY (ARRAY(
    SELECT r.request_id FROM request AS r WHERE r.organization_id = $1 ORDER BY r.request_id LIMIT 1000 FOR UPDATE
))
RETURNING request_no

-- name: lock
-- Names and keys refer to this row: none can be added once it is locked.
SELECT FROM organization WHERE id = $1 FOR UPDATE

-- name: remove_names
DELETE FROM score_name WHERE organization_id = $1

-- name: remove_origins
DELETE FROM score_origin WHERE organization_id = $1

-- name: remove_keys
DELETE FROM api_key WHERE organization_id = $1

-- name: remove_definitions
DELETE FROM score_definition WHERE organization_id = $1

-- name: remove_promptlayer_logs
DELETE FROM promptlayer_log WHERE organization_id = $1

-- name: remove_promptlayer_groups
DELETE FROM promptlayer_group WHERE organization_id = $1

-- name: remove_destinations
-- With their deliveries.
DELETE FROM destination WHERE organization_id = $1

-- name: remove_event_interest
DELETE FROM event_interest WHERE organization_id = $1

-- name: remove_events
DELETE FROM event WHERE organization_id = $1

-- name: remove_idempotent_calls
DELETE FROM idempotent_call WHERE organization_id = $1

-- name: remove_monitors
-- Their history goes with them.
DELETE FROM monitor WHERE organization_id = $1

-- name: remove_audit_entries
DELETE FROM audit_entry WHERE organization_id = $1

-- name: remove_waiting_scores
DELETE FROM waiting_score WHERE organization_id = $1

-- name: remove_touched_hours
DELETE FROM touched_hour WHERE organization_id = $1

-- name: remove_counted_hours
DELETE FROM score_hour WHERE organization_id = $1

-- name: remove_counted_days
DELETE FROM score_day WHERE organization_id = $1

-- name: remove_counted_groups
DELETE FROM score_group WHERE organization_id = $1

-- name: remove_uncounted_names
DELETE FROM uncounted_name WHERE organization_id = $1

-- name: remove_views
DELETE FROM saved_view WHERE organization_id = $1

-- name: remove_queues
-- Their items went with the requests.
DELETE FROM review_queue WHERE organization_id = $1

-- name: remove
DELETE FROM organization WHERE id = $1
