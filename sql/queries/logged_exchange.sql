-- Requests that were logged, with their bodies, one at a time.

-- name: find
-- By number; bodies of up to $3 bytes of JSON.
SELECT
    request_id, user_id, model, provider, cost_usd, prompt_tokens, completion_tokens, total_tokens, latency_ms,
    CASE WHEN request_size <= $3 THEN request_body::text END AS request_body,
    CASE WHEN response_size <= $3 THEN response_body::text END AS response_body,
    coalesce(request_size > $3, false) AS request_is_too_large,
    coalesce(response_size > $3, false) AS response_is_too_large
FROM (
    SELECT
        request_id, user_id, model, provider, cost_usd, prompt_tokens, completion_tokens, total_tokens, latency_ms,
        request_body, response_body, octet_length(request_body::text) AS request_size,
        octet_length(response_body::text) AS response_size
    FROM request
    WHERE request_no = $2 AND organization_id = $1
) AS logged

-- name: find_last
SELECT request_no FROM request WHERE organization_id = $1 ORDER BY created_at DESC, request_id LIMIT 1
