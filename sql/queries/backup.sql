-- Statements around backups and restores. From `limit_waiting` on, psql runs them, in one transaction with the script
-- that pg_restore writes.

-- name: find_schema
SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('schema_migration')

-- name: list_migrations
SELECT number, name, checksum FROM schema_migration

-- name: find_existing
SELECT t.name FROM unnest($1::text[]) AS t (name) WHERE to_regclass(t.name) IS NOT NULL ORDER BY t.name

-- name: has_rows
SELECT EXISTS (SELECT 1 FROM /* table */ request /* end */ LIMIT 1)

-- name: limit_waiting
SET LOCAL lock_timeout = '10s'

-- name: shut_out
-- A service reads this table first on a new connection (database_identity.sql), and so waits until we are done.
LOCK TABLE schema_migration IN ACCESS EXCLUSIVE MODE

-- name: end_sessions
-- The sessions of services; waits up to 5 s for the end of each.
SELECT pg_terminate_backend(pid, 5000)
FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'heliscore' AND pid <> pg_backend_pid()

-- name: refuse_data
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM /* table */ request /* end */ LIMIT 1) THEN
        RAISE 'data has come in since it was looked at';
    END IF;
END $$

-- name: remember_sequences
-- An id that was assigned since the backup must not be assigned again: clients may hold it.
SELECT set_config('heliscore.reached', coalesce(jsonb_agg(to_jsonb(s)), '[]')::text, true)
FROM (SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL) AS s

-- name: advance_sequences
SELECT setval(format('%I.%I', s.schemaname, s.sequencename)::regclass, r.last_value)
FROM jsonb_to_recordset(current_setting('heliscore.reached')::jsonb)
    AS r (schemaname name, sequencename name, last_value bigint)
JOIN pg_sequences AS s USING (schemaname, sequencename)
WHERE r.last_value > coalesce(s.last_value, 0)

-- name: name_no_schema
-- As the session began: pg_restore's script has emptied it.
RESET search_path
