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
-- Until the end of the transaction, as join_by_hash: where few groups are expected of a condition on a property, and so
-- few rows, all rows would be sorted first. What has to be in an order is still sorted; were it sorted in parts, a loop in
-- a loop that keeps an order would seem to save a sort, and as good as a join by hash.
DO $$
BEGIN
    SET LOCAL citus.propagate_set_commands = 'local';
    SET LOCAL enable_sort = off;
    SET LOCAL enable_incremental_sort = off;
END
$$

-- name: count_by_hash
-- Until the end of the transaction, as join_by_hash. As many groups are expected as there are requests, 64 times too many:
-- to hand these from process to process would seem to cost more than several processes save.
DO $$
BEGIN
    SET LOCAL citus.propagate_set_commands = 'local';
    SET LOCAL enable_sort = off;
    SET LOCAL parallel_tuple_cost = 0;
END
$$

-- name: join_by_hash
-- Until the end of the transaction. On a cluster another server plans the statements: Citus hands it what SET LOCAL sets,
-- but not what set_config() does. PostgreSQL alone keeps the first setting without a meaning.
DO $$
BEGIN
    SET LOCAL citus.propagate_set_commands = 'local';
    SET LOCAL enable_nestloop = off;
    SET LOCAL enable_indexscan = off;
END
$$

-- name: join_as_usual
-- Takes `join_by_hash` back within its transaction.
DO $$
BEGIN
    SET LOCAL citus.propagate_set_commands = 'local';
    SET LOCAL enable_nestloop TO DEFAULT;
    SET LOCAL enable_indexscan TO DEFAULT;
END
$$
