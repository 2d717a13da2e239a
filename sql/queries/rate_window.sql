-- The calls of a key in its current window of a minute.

-- name: count_call
-- The clock is the database's, which all processes and machines share. A call that waited for the row while a new
-- window began counts in the new one. If the clock is set back, the count starts again.
INSERT INTO rate_window AS w (api_key_id, window_start, calls)
VALUES ($1, now(), 1)
ON CONFLICT ON CONSTRAINT rate_window_pkey DO UPDATE
SET (window_start, calls) = (
    SELECT CASE WHEN open THEN w.window_start ELSE now() END, CASE WHEN open THEN w.calls + 1 ELSE 1 END
    FROM (SELECT abs(extract(epoch FROM now() - w.window_start)) < 60) AS o (open)
)
RETURNING calls, 60 - extract(epoch FROM clock_timestamp() - window_start)::double precision AS left_s
