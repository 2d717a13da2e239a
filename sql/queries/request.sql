-- Reading requests. The filter compiler (store/search) fills the slots; $1 is always the organization.

-- name: search
-- The subquery cuts the page, then the scores of its rows are collected: the ids of their names, the values in the same
-- order, and the time of the feedback, read in one visit to the request's scores. store/search/score_objects.py makes JSON
-- of it: to look the names up here and build the object took three quarters of the whole row's time. (A subquery's order
-- is kept where nothing above it sorts or gathers, and what is read of each row in turn is joined by a loop. Scores are
-- found by the request's number alone: HIDDEN in store/search/score_conditions.py says why.) The compiler fills in the
-- outcome of a request whose client gave only a status.
SELECT
    r.request_id, r.created_at, r.updated_at, r.response_created_at, r.latency_ms, r.time_to_first_token_ms,
    r.prompt_tokens, r.completion_tokens, r.total_tokens, r.prompt_cache_read_tokens,
    r.prompt_cache_write_tokens, r.reasoning_tokens, r.prompt_audio_tokens, r.completion_audio_tokens,
    r.cost_usd, r.cost_is_computed, r.status,
    /* outcome */ r.outcome /* end */ AS outcome,
    coalesce(r.cache_enabled, false) AS cache_enabled, r.user_id, r.provider, r.request_model, r.response_model, r.model_override, r.model,
    r.prompt_id, r.prompt_version, r.prompt_version_number, r.response_id, r.request_path, r.target_url,
    r.country_code, r.cache_reference_id, r.request_referrer, r.storage_location, r.assets, r.tags,
    r.properties, r.promptlayer, r.ai_gateway_body_mapping,
    /* bodies */ r.request_body, r.response_body /* end */,
    scored.name_ids, scored.values, scored.feedback_at, r.sort_value
FROM (
    SELECT r.*, /* sort_value */ NULL /* end */ AS sort_value
    FROM /* source */ request AS r /* end */
    /* joins */ /* end */
    WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
    ORDER BY /* order */ r.created_at DESC, r.request_id /* end */
    LIMIT $2 OFFSET $3
) AS r
CROSS JOIN LATERAL (
    SELECT
        string_agg(s.name_id::text, ',') AS name_ids, string_agg(s.value::text, ',') AS values,
        date_trunc(
            'milliseconds',
            max(s.scored_at) FILTER (
                WHERE s.name_id = (
                    SELECT n.id
                    FROM score_name AS n
                    WHERE n.organization_id = $1 AND n.name = 'helicone-score-feedback'
                )
            )
        ) AS feedback_at
    FROM score AS s
    WHERE s.request_no = r.request_no AND s.organization_id = $1::integer::oid
) AS scored

-- name: score_names
SELECT n.id, n.name
FROM score_name AS n
WHERE n.organization_id = $1 AND n.id = ANY($2::integer[])

-- name: locate
-- Which requests `search` would find, without their columns.
SELECT r.created_at, r.request_id, r.request_no
FROM /* source */ request AS r /* end */
/* joins */ /* end */
WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
ORDER BY /* order */ r.created_at DESC, r.request_id /* end */
LIMIT $2 OFFSET $3

-- name: count
SELECT count(*)
FROM /* source */ request AS r /* end */
/* joins */ /* end */
WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */

-- name: count_in_words
-- The same of requests that have several scores. Each score has one bit a request, in words of 64 requests, so that one
-- pass over the scores is enough, and what is grouped stays small: five million requests take 80,000 words, where a join
-- by hash reads the table for each score and writes millions of rows to disk.
SELECT coalesce(sum(bit_count((/* words */ 0::bigint /* end */)::bit(64))), 0)::bigint
FROM (
    SELECT /* bits */ bit_or(1::bigint << (s.request_no & 63)::integer) AS b1 /* end */
    FROM score AS s
    WHERE s.organization_id = $1 AND /* where */ true /* end */
    GROUP BY s.request_no >> 6
) AS word

-- name: size
-- How many requests meet the conditions that an index answers, counted up to $2.
SELECT count(*)
FROM (SELECT FROM request AS r WHERE r.organization_id = $1 AND /* where */ true /* end */ LIMIT $2) AS first

-- name: probe
-- Of a score's values in order: the first one, and the one $2 places further on.
SELECT
    (
        SELECT s.value FROM /* scores */ score AS s WHERE s.organization_id = $1 /* end */
        ORDER BY s.value /* direction */ DESC /* end */ LIMIT 1
    ),
    (
        SELECT s.value FROM /* scores */ score AS s WHERE s.organization_id = $1 /* end */
        ORDER BY s.value /* direction */ DESC /* end */ LIMIT 1 OFFSET $2
    )

-- name: selectivity
-- How many scores meet each leading condition, counted up to $2: where none does, nothing matches.
SELECT ARRAY[/* counts */ $1::integer, $2::integer /* end */]

-- name: table_sizes
-- How many requests there are, by the last VACUUM or ANALYZE; 1000 stand for a number that is not known, -1 (or 0, where
-- other servers hold the rows): all matches are then as many as in any table. `visible`: of nine in ten scores, PostgreSQL
-- knows without a look into the table that they are there. It counted them at the last VACUUM; the changes since are
-- counted by themselves.
SELECT
    greatest(request_table.reltuples, 1000)::double precision AS requests,
    score_table.relallvisible >= 0.9 * score_table.relpages AND score_table.reltuples > 0
        AND pg_stat_get_ins_since_vacuum(score_table.oid) + pg_stat_get_dead_tuples(score_table.oid)
            <= 0.1 * score_table.reltuples AS visible
FROM pg_class AS request_table
CROSS JOIN pg_class AS score_table
WHERE request_table.oid = 'request'::regclass AND score_table.oid = 'score'::regclass
