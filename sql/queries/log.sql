-- Logging requests, and removing one.

-- name: log
-- runs on the node of $1
-- Replaces everything that was logged before. Scores stay, and so do properties and prompts that separate calls have
-- set: the parts of a prompt that this call leaves out are kept, unless it names another prompt. Publishes the event.
-- Then locks the id of the response, until the end of the transaction (`waiting_score.sql`).
WITH logged AS (
    INSERT INTO request AS r (
        request_no, organization_id, request_id, created_at, updated_at, response_created_at, latency_ms,
        time_to_first_token_ms, prompt_tokens, completion_tokens, total_tokens, prompt_cache_read_tokens,
        prompt_cache_write_tokens, reasoning_tokens, prompt_audio_tokens, completion_audio_tokens, cost_usd,
        status, outcome, user_id, provider, request_model, response_model, model_override, prompt_id, prompt_version,
        prompt_version_number, prompt_variables, response_id, request_path, target_url, tags, properties, promptlayer,
        request_body, response_body, cache_enabled, cost_is_computed
    )
    VALUES (
        nextval('request_request_no_seq'), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37
    )
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
        outcome = excluded.outcome,
        user_id = excluded.user_id,
        provider = excluded.provider,
        request_model = excluded.request_model,
        response_model = excluded.response_model,
        model_override = excluded.model_override,
        -- A prompt that was not logged, as a property shows, was set by a separate call.
        prompt_id = coalesce(excluded.prompt_id, CASE
            WHEN r.prompt_id IS DISTINCT FROM r.properties ->> 'Helicone-Prompt-Id' THEN r.prompt_id
        END),
        prompt_version = CASE
            WHEN excluded.prompt_id <> r.prompt_id THEN excluded.prompt_version
            ELSE coalesce(excluded.prompt_version, r.prompt_version)
        END,
        prompt_version_number = CASE
            WHEN excluded.prompt_id <> r.prompt_id OR excluded.prompt_version IS NOT NULL
                THEN excluded.prompt_version_number
            ELSE r.prompt_version_number
        END,
        prompt_variables = CASE
            WHEN excluded.prompt_id <> r.prompt_id THEN excluded.prompt_variables
            ELSE coalesce(excluded.prompt_variables, r.prompt_variables)
        END,
        response_id = excluded.response_id,
        request_path = excluded.request_path,
        target_url = excluded.target_url,
        tags = excluded.tags,
        properties = excluded.properties || coalesce(r.set_properties, '{}'),
        promptlayer = excluded.promptlayer,
        request_body = excluded.request_body,
        response_body = excluded.response_body,
        cache_enabled = excluded.cache_enabled,
        cost_is_computed = excluded.cost_is_computed
    RETURNING request_no
),
published AS (
    INSERT INTO event (id, type, organization_id, request_no)
    SELECT nextval('event_id_seq'), 'request.logged', $1, request_no
    FROM logged
    WHERE EXISTS (
        SELECT FROM event_interest WHERE organization_id = $1 AND type = 'request.logged' AND until > now()
    )
)
SELECT
    request_no,
    CASE WHEN $28::text IS NOT NULL THEN pg_advisory_xact_lock_shared(hashtextextended($28::text, $1)) END AS locked
FROM logged

-- name: retime_scores
-- runs on the node of $1
-- A separate statement after `log`: it sees the scores that were written while `log` waited for the row, and those that
-- waited for the response $4, which it takes and returns.
WITH retimed AS (
    UPDATE score
    SET request_created_at = $3
    WHERE organization_id = $1 AND request_no = $2 AND request_created_at <> $3
),
taken AS (
    DELETE FROM waiting_score
    WHERE organization_id = $1 AND response_id = $4
    RETURNING id, posted_at, name_id, origin_id, value, is_boolean, comment
)
SELECT
    n.name, t.value, t.is_boolean, t.posted_at, o.kind, o.name AS author_name, o.version, o.call, t.comment,
    o.kind <> 'human' AND EXISTS (
        SELECT FROM score_definition AS d
        WHERE d.organization_id = $1 AND d.name = n.name AND d.precedence = 'human'
    ) AS is_yielding
FROM taken AS t
JOIN score_name AS n ON n.organization_id = $1 AND n.id = t.name_id
JOIN score_origin AS o ON o.organization_id = $1 AND o.id = t.origin_id
ORDER BY t.id

-- name: remove_request
DELETE FROM request WHERE organization_id = $1 AND request_id = $2 RETURNING request_no
