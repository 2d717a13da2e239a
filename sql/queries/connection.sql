-- Statements about connections.

-- name: watch_client
-- Without this, PostgreSQL notices that a client is gone only when it sends something to it.
SELECT set_config('client_connection_check_interval', '250ms', false)

-- name: find_cluster
-- Nulls on a single PostgreSQL. On a cluster, plans are made for their parameters: no other has a node.
SELECT
    CASE WHEN to_regclass('carried') IS NOT NULL THEN set_config('plan_cache_mode', 'force_custom_plan', false) END,
    obj_description(to_regclass('carried'), 'pg_class') = 'unfinished'

-- name: end_orphans
-- Terminates those of the backends that are ours; returns how many still run after a second.
SELECT count(*) FILTER (WHERE NOT pg_terminate_backend(pid, 1000))
FROM pg_stat_activity
WHERE pid = ANY ($1::integer[]) AND pid <> pg_backend_pid()
    AND usename = current_user AND datname = current_database() AND application_name = 'heliscore'

-- name: find_obstacle
-- Why a transaction cannot write; null where it can.
SELECT CASE
    WHEN pg_is_in_recovery() THEN 'the database is a read-only standby'
    WHEN current_setting('transaction_read_only')::boolean THEN 'the database is read-only'
END

-- name: group_by_hash
-- Until the end of the transaction: where few groups are expected of a condition on a property, and so few rows, all
-- rows would be sorted first. What has to be in an order is still sorted; were it sorted in parts, a loop in a loop that
-- keeps an order would seem to save a sort, and as good as a join by hash.
SELECT set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true)

-- name: count_by_hash
-- Until the end of the transaction. As many groups are expected as there are requests, 64 times too many: to hand these
-- from process to process would seem to cost more than several processes save.
SELECT set_config('enable_sort', 'off', true), set_config('parallel_tuple_cost', '0', true)

-- name: join_by_hash
-- Until the end of the transaction.
SELECT set_config('enable_nestloop', 'off', true), set_config('enable_indexscan', 'off', true)

-- name: join_as_usual
-- Takes `join_by_hash` back within its transaction.
SELECT set_config(name, reset_val, true) FROM pg_settings WHERE name IN ('enable_nestloop', 'enable_indexscan')
