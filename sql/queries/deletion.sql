-- Deleting requests that a filter finds, and a score everywhere. The filter compiler (store/search) fills the slots.

-- name: find
-- How many requests match, and the numbers of the first $2 of them: in one statement, so that both are of one moment.
WITH found AS MATERIALIZED (
    SELECT r.request_no
    FROM /* source */ request AS r /* end */
    /* joins */ /* end */
    WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
)
SELECT (SELECT count(*) FROM found) AS requests,
    ARRAY(SELECT f.request_no FROM found AS f ORDER BY f.request_no LIMIT $2) AS numbers

-- name: count
-- What there is of the requests $2: scores, past changes of them, comments.
SELECT
    (
        SELECT count(*) FROM score AS s
        WHERE s.request_no = ANY ($2::bigint[]) AND s.organization_id = $1::integer::oid
    ) AS scores,
    (
        SELECT count(*) FROM score_history AS h WHERE h.request_no = ANY ($2) AND h.organization_id = $1::integer::oid
    ) AS changes,
    (
        SELECT count(*) FROM score_comment AS c WHERE c.request_no = ANY ($2) AND c.organization_id = $1::integer::oid
    ) AS comments

-- name: remove_requests
DELETE FROM request AS r
WHERE r.request_no = ANY ($2::bigint[]) AND r.organization_id = $1::integer::oid
RETURNING r.request_id

-- name: remove_log_calls
-- PromptLayer's, by the ids that they were given.
DELETE FROM promptlayer_log WHERE organization_id = $1 AND request_id = ANY ($2::bigint[])

-- name: remove_events
-- No index finds them: the whole table is read, which holds an hour, and is empty where nobody is interested in events.
DELETE FROM event WHERE organization_id = $1 AND request_no = ANY ($2::bigint[])

-- name: count_score
SELECT count(*) FROM score WHERE organization_id = $1 AND name_id = $2

-- name: find_scored
-- The first $5 requests from $2 (not included) to $3 that have or had the score $4, in order of their numbers.
SELECT s.request_no
FROM score AS s
WHERE s.request_no > $2 AND s.request_no <= $3 AND s.organization_id = $1::integer::oid AND s.name_id + 0 = $4
UNION
SELECT h.request_no
FROM score_history AS h
WHERE h.request_no > $2 AND h.request_no <= $3 AND h.organization_id = $1::integer::oid AND h.name_id + 0 = $4
ORDER BY request_no
LIMIT $5

-- name: touch
-- Requests lose a score, which changes them.
UPDATE request AS r
SET updated_at = greatest(r.updated_at, date_trunc('milliseconds', $3::timestamptz))
WHERE r.request_no = ANY ($2::bigint[]) AND r.organization_id = $1::integer::oid

-- name: remove_values
DELETE FROM score WHERE request_no = ANY ($2::bigint[]) AND organization_id = $1::integer::oid AND name_id = $3

-- name: remove_changes
DELETE FROM score_history WHERE request_no = ANY ($2::bigint[]) AND organization_id = $1::integer::oid AND name_id = $3

-- name: remove_comments
DELETE FROM score_comment WHERE request_no = ANY ($2::bigint[]) AND organization_id = $1::integer::oid AND name_id = $3

-- name: remove_score_events
-- Those from before $3.
DELETE FROM event WHERE organization_id = $1 AND name_id = $2 AND happened_at < $3

-- name: remove_waiting
-- Those of the score that wait for their responses, from before $3.
DELETE FROM waiting_score WHERE organization_id = $1 AND name_id = $2 AND posted_at < $3

-- name: wait_for_dispatcher
-- For the end of a transaction that makes deliveries of events which it has read before they were removed.
SELECT FROM event_cursor FOR SHARE

-- name: step
-- The highest number of the next $2 deliveries after $1, of whatever organization.
SELECT max(number)
FROM (SELECT number FROM delivery WHERE number > $1 ORDER BY number LIMIT $2) AS next

-- name: list_told
-- The requests that the events of the deliveries after $2 up to $3 are about: by id, in Helicone's format by number. Locks
-- the deliveries.
WITH walked AS MATERIALIZED (
    SELECT d.number, d.body
    FROM delivery AS d
    WHERE d.number > $2 AND d.number <= $3 AND d.organization_id = $1
    ORDER BY d.number
    FOR UPDATE
)
SELECT DISTINCT e.event #>> '{data,requestId}' AS request_id, NULL::bigint AS request_no
FROM walked AS w
CROSS JOIN LATERAL json_array_elements(
    CASE WHEN json_typeof(w.body #> '{data,events}') = 'array' THEN w.body #> '{data,events}' ELSE '[]' END
) AS e (event)
UNION ALL
SELECT DISTINCT NULL, (w.body ->> 'requestNo')::bigint
FROM walked AS w
WHERE w.body ->> 'requestNo' IS NOT NULL

-- name: find_gone
-- Those of the requests $2 (ids) and $3 (numbers) that are gone. Each is looked up (LIMIT keeps the planner from a join),
-- as event.read_between does.
SELECT t.request_id, NULL::bigint AS request_no
FROM unnest($2::text[]) AS t (request_id)
WHERE (
    SELECT true FROM request AS r WHERE r.organization_id = $1 AND r.request_id = t.request_id LIMIT 1
) IS NULL
UNION ALL
SELECT NULL, t.request_no
FROM unnest($3::bigint[]) AS t (request_no)
WHERE (
    SELECT true FROM request AS r WHERE r.request_no = t.request_no AND r.organization_id = $1::integer::oid LIMIT 1
) IS NULL

-- name: cut_deliveries
-- From the deliveries after $2 up to $3, takes the events that are about the requests $4 (ids) and $5 (numbers), or, where
-- $6 is a score's name, those from before $7 that are about it. A delivery that has none left goes.
WITH walked AS MATERIALIZED (
    SELECT d.number, d.body
    FROM delivery AS d
    WHERE d.number > $2 AND d.number <= $3 AND d.organization_id = $1
    ORDER BY d.number
    FOR UPDATE
),
told AS (
    SELECT w.number, e.place, e.event,
        CASE
            WHEN $6::text IS NULL THEN coalesce(NOT e.event #>> '{data,requestId}' = ANY ($4::text[]), false)
            ELSE e.event ->> 'type' <> 'score.recorded' OR e.event #>> '{data,name}' <> $6
                OR (e.event ->> 'timestamp')::timestamptz >= $7
        END AS stays
    FROM walked AS w
    CROSS JOIN LATERAL json_array_elements(
        CASE WHEN json_typeof(w.body #> '{data,events}') = 'array' THEN w.body #> '{data,events}' ELSE '[]' END
    ) WITH ORDINALITY AS e (event, place)
    UNION ALL
    -- In Helicone's format.
    SELECT w.number, 1, w.body, NOT (w.body ->> 'requestNo')::bigint = ANY ($5::bigint[])
    FROM walked AS w
    WHERE $6::text IS NULL AND w.body ->> 'requestNo' IS NOT NULL
),
kept AS (
    SELECT number, json_agg(event ORDER BY place) FILTER (WHERE stays) AS events
    FROM told
    GROUP BY number
    HAVING NOT bool_and(stays)
),
removed AS (
    DELETE FROM delivery AS d
    USING kept AS k
    WHERE d.number = k.number AND d.organization_id = $1 AND k.events IS NULL
)
UPDATE delivery AS d
SET body = json_build_object(
    'type', d.body -> 'type', 'timestamp', d.body -> 'timestamp', 'data', json_build_object('events', k.events)
)
FROM kept AS k
WHERE d.number = k.number AND d.organization_id = $1 AND k.events IS NOT NULL
