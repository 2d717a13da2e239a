-- Requests with their scores and the past of these, as another service exported them.

-- name: record_requests
-- runs on the node of $1
-- $2 is a JSON array of requests, none twice, each an object of columns. A request that is stored is replaced where it
-- was never logged (only scored), or where the one that comes was updated later; properties and prompts that separate
-- calls have set stay. What was never logged elsewhere replaces nothing. Where $3 is false, it makes no request either.
--
-- Locks all of them in the order of every writer, also those that it does not change. Returns the others.
WITH given AS (
    SELECT g.*, num_nonnulls(
        g.response_created_at, g.status, g.provider, g.request_model, g.request_body, g.response_body
    ) > 0 AS is_logged
    FROM json_populate_recordset(NULL::request, $2::text::json) AS g
),
numbered AS (
    SELECT nextval('request_request_no_seq') AS new_no, g.*
    FROM given AS g
    WHERE $3::boolean OR g.is_logged OR EXISTS (
        SELECT FROM request AS known WHERE known.organization_id = $1 AND known.request_id = g.request_id
    )
),
written AS (
    INSERT INTO request AS r (
        request_no, organization_id, request_id, created_at, updated_at, response_created_at, latency_ms,
        time_to_first_token_ms, prompt_tokens, completion_tokens, total_tokens, prompt_cache_read_tokens,
        prompt_cache_write_tokens, reasoning_tokens, prompt_audio_tokens, completion_audio_tokens, cost_usd, status,
        cached, cache_enabled, threat, is_passthrough_billing, user_id, provider, request_model, response_model,
        model_override, prompt_id, prompt_version, response_id, request_path, target_url, country_code,
        cache_reference_id, request_referrer, node_id, job_id, auth_hash, storage_location, assets, properties,
        prompt_variables, ai_gateway_body_mapping, request_body, response_body, tags, outcome, prompt_version_number,
        promptlayer, cost_is_computed
    )
    SELECT
        new_no, $1, request_id, created_at, updated_at, response_created_at, latency_ms,
        time_to_first_token_ms, prompt_tokens, completion_tokens, total_tokens, prompt_cache_read_tokens,
        prompt_cache_write_tokens, reasoning_tokens, prompt_audio_tokens, completion_audio_tokens, cost_usd, status,
        cached, cache_enabled, threat, is_passthrough_billing, user_id, provider, request_model, response_model,
        model_override, prompt_id, prompt_version, response_id, request_path, target_url, country_code,
        cache_reference_id, request_referrer, node_id, job_id, auth_hash, storage_location, assets,
        coalesce(properties, '{}'), prompt_variables, ai_gateway_body_mapping, request_body, response_body, tags, outcome,
        prompt_version_number, promptlayer, coalesce(cost_is_computed, false)
    FROM numbered
    ORDER BY request_id COLLATE "C"
    ON CONFLICT ON CONSTRAINT request_pkey DO UPDATE SET
        created_at = excluded.created_at,
        updated_at = greatest(r.updated_at, excluded.updated_at),
        response_created_at = excluded.response_created_at,
        latency_ms = excluded.latency_ms,
        time_to_first_token_ms = excluded.time_to_first_token_ms,
        prompt_tokens = excluded.prompt_tokens,
        completion_tokens = excluded.completion_tokens,
        total_tokens = excluded.total_tokens,
        prompt_cache_read_tokens = excluded.prompt_cache_read_tokens,
        prompt_cache_write_tokens = excluded.prompt_cache_write_tokens,
        reasoning_tokens = excluded.reasoning_tokens,
        prompt_audio_tokens = excluded.prompt_audio_tokens,
        completion_audio_tokens = excluded.completion_audio_tokens,
        cost_usd = excluded.cost_usd,
        status = excluded.status,
        cached = excluded.cached,
        cache_enabled = excluded.cache_enabled,
        threat = excluded.threat,
        is_passthrough_billing = excluded.is_passthrough_billing,
        user_id = excluded.user_id,
        provider = excluded.provider,
        request_model = excluded.request_model,
        response_model = excluded.response_model,
        model_override = excluded.model_override,
        prompt_id = coalesce(excluded.prompt_id, r.prompt_id),
        prompt_version = coalesce(excluded.prompt_version, r.prompt_version),
        response_id = excluded.response_id,
        request_path = excluded.request_path,
        target_url = excluded.target_url,
        country_code = excluded.country_code,
        cache_reference_id = excluded.cache_reference_id,
        request_referrer = excluded.request_referrer,
        node_id = excluded.node_id,
        job_id = excluded.job_id,
        auth_hash = excluded.auth_hash,
        storage_location = excluded.storage_location,
        assets = excluded.assets,
        properties = excluded.properties || coalesce(r.set_properties, '{}'),
        prompt_variables = coalesce(excluded.prompt_variables, r.prompt_variables),
        ai_gateway_body_mapping = excluded.ai_gateway_body_mapping,
        request_body = excluded.request_body,
        response_body = excluded.response_body,
        tags = excluded.tags,
        outcome = excluded.outcome,
        prompt_version_number = coalesce(excluded.prompt_version_number, r.prompt_version_number),
        promptlayer = excluded.promptlayer,
        cost_is_computed = excluded.cost_is_computed
    WHERE num_nonnulls(
        excluded.response_created_at, excluded.status, excluded.provider, excluded.request_model,
        excluded.request_body, excluded.response_body
    ) > 0 AND (
        excluded.updated_at > r.updated_at OR num_nonnulls(
            r.response_created_at, r.status, r.provider, r.request_model, r.request_body, r.response_body
        ) = 0
    )
    RETURNING r.request_no, r.request_id, /* is_new */ r.xmax = 0 /* end */ AS is_new
),
published AS (
    INSERT INTO event (id, type, organization_id, request_no)
    SELECT nextval('event_id_seq'), 'request.logged', $1, w.request_no
    FROM written AS w
    JOIN given AS g ON g.request_id = w.request_id AND g.is_logged
    WHERE EXISTS (
        SELECT FROM event_interest WHERE organization_id = $1 AND type = 'request.logged' AND until > now()
    )
)
SELECT request_no, request_id, is_new FROM written

-- name: find_requests
SELECT request_no, request_id FROM request WHERE organization_id = $1 AND request_id = ANY ($2::text[])

-- name: retime_scores
UPDATE score AS s
SET request_created_at = r.created_at
FROM request AS r
WHERE r.organization_id = $1 AND r.request_no = ANY ($2::bigint[])
AND s.request_no = r.request_no AND s.organization_id = $1 AND s.request_created_at <> r.created_at

-- name: find_changes
-- All changes of the scores of some requests, those that are the score marked.
SELECT c.request_no, n.name, c.is_present, c.value, c.is_boolean, c.scored_at, c.taken_back_at, c.is_aside, o.kind,
    o.name AS author, o.version, o.call, o.restored_by
FROM (
    SELECT s.request_no, s.name_id, s.value, s.is_boolean IS NOT NULL AS is_boolean, s.scored_at, s.origin_id,
        NULL::timestamptz AS taken_back_at, false AS is_aside, true AS is_present
    FROM score AS s
    WHERE s.request_no = ANY ($2::bigint[]) AND s.organization_id = $1::integer::oid
    UNION ALL
    SELECT h.request_no, h.name_id, h.value, h.is_boolean IS NOT NULL, h.scored_at, h.origin_id,
        h.taken_back_at, h.is_aside IS NOT NULL, false
    FROM score_history AS h
    WHERE h.request_no = ANY ($2::bigint[]) AND h.organization_id = $1::integer::oid
) AS c
JOIN score_name AS n ON n.organization_id = $1 AND n.id = c.name_id
LEFT JOIN score_origin AS o ON o.organization_id = $1 AND o.id = c.origin_id

-- name: record_changes
-- runs on the node of $1
-- $2..$10 have one element for each change: number of the request, name, value or null, whether it is a boolean,
-- origin, time, comment, time of taking back, and its place: `present`, `past` or `aside`. A present value that is
-- replaced is kept by the table's trigger.
WITH given AS (
    SELECT g.request_no, r.created_at, r.organization_id, g.name_id, g.value, nullif(g.is_boolean, false) AS is_boolean,
        g.origin_id, g.scored_at, g.comment, g.taken_back_at, g.place
    FROM unnest(
        $2::text::bigint[], $3::text::integer[], $4::bigint[], $5::text::boolean[], $6::integer[], $7::timestamptz[],
        $8::text[], $9::timestamptz[], $10::text[]
    ) AS g (request_no, name_id, value, is_boolean, origin_id, scored_at, comment, taken_back_at, place)
    JOIN request AS r ON r.request_no = g.request_no AND r.organization_id = $1
),
recorded AS (
    INSERT INTO score AS s (
        value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean, origin_id
    )
    SELECT value, request_no, created_at, scored_at, organization_id, name_id, is_boolean, origin_id
    FROM given
    WHERE place = 'present'
    ORDER BY request_no, name_id
    ON CONFLICT ON CONSTRAINT score_pkey
    DO UPDATE SET value = excluded.value, is_boolean = excluded.is_boolean, origin_id = excluded.origin_id,
        scored_at = excluded.scored_at
),
kept AS (
    INSERT INTO score_history (
        value, request_no, scored_at, taken_back_at, organization_id, name_id, origin_id, is_boolean, is_aside
    )
    SELECT value, request_no, scored_at, taken_back_at, organization_id, name_id, origin_id, is_boolean,
        nullif(place = 'aside', false)
    FROM given
    WHERE place <> 'present'
)
INSERT INTO score_comment (request_no, scored_at, organization_id, name_id, comment)
SELECT request_no, scored_at, organization_id, name_id, comment FROM given WHERE comment IS NOT NULL

-- name: remove_scores
-- runs on the node of $1
-- What was the score goes into the history; its removal is one of the changes that `record_changes` keeps.
WITH removed AS (
    DELETE FROM score AS s
    USING unnest($2::bigint[], $3::integer[]) AS g (request_no, name_id)
    WHERE s.request_no = g.request_no AND s.organization_id = $1 AND s.name_id = g.name_id
    RETURNING s.value, s.request_no, s.scored_at, s.organization_id, s.name_id, s.origin_id, s.is_boolean
)
INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
SELECT value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean FROM removed

-- name: take_back
UPDATE score_history AS h
SET taken_back_at = g.taken_back_at
FROM unnest($2::bigint[], $3::integer[], $4::timestamptz[], $5::timestamptz[])
    AS g (request_no, name_id, scored_at, taken_back_at)
WHERE h.request_no = g.request_no AND h.organization_id = $1 AND h.name_id = g.name_id AND h.scored_at = g.scored_at
AND h.taken_back_at IS NULL
