-- Requests as they are read. The slots are filled by the filter compiler; $1 is always the organization.

-- name: search
-- The page is cut first, then the scores of its rows are collected: `scored` is (score map, feedback, time of the
-- feedback), from one visit to the request's scores. (The order of a subquery is kept where nothing above it sorts,
-- joins or gathers.)
SELECT
    r.request_id, r.created_at, r.updated_at, r.response_created_at, r.latency_ms, r.time_to_first_token_ms,
    r.prompt_tokens, r.completion_tokens, r.total_tokens, r.prompt_cache_read_tokens,
    r.prompt_cache_write_tokens, r.reasoning_tokens, r.prompt_audio_tokens, r.completion_audio_tokens,
    r.cost_usd, r.status,
    coalesce(
        r.outcome, CASE WHEN r.status BETWEEN 200 AND 399 THEN 'SUCCESS' WHEN r.status IS NOT NULL THEN 'ERROR' END
    ) AS outcome,
    r.cache_enabled, r.user_id, r.provider, r.request_model, r.response_model, r.model_override, r.model,
    r.prompt_id, r.prompt_version, r.prompt_version_number, r.response_id, r.request_path, r.target_url,
    r.country_code, r.cache_reference_id, r.request_referrer, r.storage_location, r.assets, r.tags,
    r.properties, r.promptlayer, r.ai_gateway_body_mapping,
    /* bodies */ r.request_body, r.response_body /* end */,
    (
        SELECT row(
            jsonb_object_agg(n.name, s.value),
            max(s.value) FILTER (WHERE n.name = 'helicone-score-feedback'),
            max(s.scored_at) FILTER (WHERE n.name = 'helicone-score-feedback')
        )
        FROM score AS s
        JOIN score_name AS n ON n.id = s.name_id
        WHERE s.organization_id = r.organization_id AND s.request_no = r.request_no
    ) AS scored,
    r.sort_value
FROM (
    SELECT r.*, /* sort_value */ NULL /* end */ AS sort_value
    FROM /* source */ request AS r /* end */
    /* joins */ /* end */
    WHERE r.organization_id = $1 AND /* where */ true /* end */
    ORDER BY /* order */ r.created_at DESC, r.request_id /* end */
    LIMIT $2 OFFSET $3
) AS r

-- name: locate
-- Which requests `search` would find, without reading them.
SELECT r.created_at, r.request_id, r.request_no
FROM /* source */ request AS r /* end */
/* joins */ /* end */
WHERE r.organization_id = $1 AND /* where */ true /* end */
ORDER BY /* order */ r.created_at DESC, r.request_id /* end */
LIMIT $2 OFFSET $3

-- name: count
SELECT count(*)
FROM /* source */ request AS r /* end */
/* joins */ /* end */
WHERE r.organization_id = $1 AND /* where */ true /* end */

-- name: reach
-- In the order of a score: the first value, and the one that comes so many further on.
SELECT
    (
        SELECT s.value FROM /* scores */ score AS s WHERE s.organization_id = $1 /* end */
        ORDER BY s.value /* direction */ DESC /* end */ LIMIT 1
    ),
    (
        SELECT s.value FROM /* scores */ score AS s WHERE s.organization_id = $1 /* end */
        ORDER BY s.value /* direction */ DESC /* end */ LIMIT 1 OFFSET $2
    )

-- name: rarity
-- How many scores meet each of the conditions that every match must meet; what none meets needs no search. To begin
-- at them costs some 1 us for each, to walk in time 0.18 us for each row until $2 are found among them. So it is even
-- where their number is the root of 0.18 * $2 * rows; between $3 and $4, that is as far as they are counted.
SELECT ARRAY[/* counts */ $1::integer /* end */], few
FROM (
    SELECT greatest($3::integer, least($4::integer, sqrt(0.18 * $2::integer * greatest(reltuples, 0))))::integer
    FROM pg_class
    WHERE oid = 'request'::regclass
) AS request_table (few)
