-- Statements around migrations.

-- name: take_turn
SELECT pg_try_advisory_xact_lock($1)

-- name: take_turn_for_session
SELECT pg_try_advisory_lock($1)

-- name: give_turn_back
SELECT pg_advisory_unlock($1)

-- name: is_valid
-- Null where there is no index of that name; a build that broke leaves an invalid one.
SELECT (SELECT i.indisvalid FROM pg_index AS i WHERE i.indexrelid = to_regclass($1))

-- name: find_holder
-- The oldest other transaction that holds a lock on a table of ours: 16384 is the first oid of what users make.
SELECT a.pid, a.application_name, a.state, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS open_s
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation' AND l.relation >= 16384
)
ORDER BY a.xact_start
LIMIT 1

-- name: reaches_server
-- False behind a pooler, which gives its own number for the process that serves the connection.
SELECT pg_backend_pid() = $1
