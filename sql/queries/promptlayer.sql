-- Statements for PromptLayer's calls alone; for the rest they use log.sql, score.sql and request.sql.

-- name: claim
-- Takes a new id for a log call. Returns nothing if the same call was logged less than a minute ago; waits for one that
-- is being logged. Either way the call's row is locked until the commit.
INSERT INTO promptlayer_log AS l (organization_id, body_hash)
VALUES ($1, $2)
ON CONFLICT ON CONSTRAINT promptlayer_log_pkey
DO UPDATE SET request_id = excluded.request_id, logged_at = excluded.logged_at
WHERE excluded.logged_at - l.logged_at > interval '60 seconds'
RETURNING l.request_id

-- name: find_logged
-- A separate statement after `claim`: it sees what `claim` waited for. It does not find a request that was removed
-- since, even if a score or a property has created a new one under its id.
SELECT l.request_id
FROM promptlayer_log AS l
JOIN request AS r ON r.organization_id = $1 AND r.request_id = l.request_id::text
WHERE l.organization_id = $1 AND l.body_hash = $2 AND r.response_created_at IS NOT NULL

-- name: claim_another
-- runs on the node of $1
-- Takes the next id that no request has, for a call whose row is locked.
UPDATE promptlayer_log
SET logged_at = now(), request_id = (
    WITH RECURSIVE minted (id) AS (
        SELECT nextval('promptlayer_log_request_id_seq')
        UNION ALL
        SELECT nextval('promptlayer_log_request_id_seq')
        FROM minted
        JOIN request AS r ON r.organization_id = $1 AND r.request_id = minted.id::text
    )
    SELECT max(id) FROM minted
)
WHERE organization_id = $1 AND body_hash = $2
RETURNING request_id

-- name: reserve
-- runs on the node of $1
-- Makes the request that `log` fills; returns nothing if there is one already, or another call has just made it.
INSERT INTO request (request_no, organization_id, request_id, created_at, updated_at)
VALUES (nextval('request_request_no_seq'), $1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT request_pkey DO NOTHING
RETURNING request_no

-- name: forget
-- Deletes two expired rows for each one that is added, so that the table holds about a minute's. Rows that another call
-- has locked are left to a later call.
DELETE FROM promptlayer_log
WHERE organization_id = $1 AND body_hash = ANY (ARRAY(
    SELECT l.body_hash
    FROM promptlayer_log AS l
    WHERE l.organization_id = $1 AND l.logged_at < now() - interval '60 seconds'
    ORDER BY l.logged_at
    LIMIT 2
    FOR UPDATE SKIP LOCKED
))

-- name: create_group
INSERT INTO promptlayer_group (organization_id) VALUES ($1) RETURNING id

-- name: has_group
SELECT EXISTS (SELECT FROM promptlayer_group WHERE organization_id = $1 AND id = $2)

-- name: set_prompt
-- runs on the node of $1
-- Replaces the request's prompt. Where $8 is false, only of a request that exists.
INSERT INTO request AS r (
    request_no, organization_id, request_id, created_at, updated_at,
    prompt_id, prompt_version, prompt_version_number, prompt_variables
)
SELECT nextval('request_request_no_seq'), $1, $2, $3, $3, $4, $5, $6, $7
WHERE $8::boolean OR EXISTS (SELECT FROM request WHERE organization_id = $1 AND request_id = $2)
ON CONFLICT ON CONSTRAINT request_pkey DO UPDATE SET
    prompt_id = excluded.prompt_id,
    prompt_version = excluded.prompt_version,
    prompt_version_number = excluded.prompt_version_number,
    prompt_variables = excluded.prompt_variables,
    updated_at = greatest(r.updated_at, excluded.updated_at)
RETURNING r.request_no
