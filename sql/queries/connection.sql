-- Connections themselves.

-- name: watch_client
-- PostgreSQL looks whether its client is still there only when it has something to say to it.
SELECT set_config('client_connection_check_interval', '250ms', false)

-- name: end_strays
-- Ours among those processes of the server: ended, or how many were not within a second.
SELECT count(*) FILTER (WHERE NOT pg_terminate_backend(pid, 1000))
FROM pg_stat_activity
WHERE pid = ANY ($1::integer[]) AND pid <> pg_backend_pid()
    AND usename = current_user AND datname = current_database() AND application_name = 'heliscore'
