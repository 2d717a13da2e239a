-- Distributing the tables of a database over the nodes of a cluster (`store/cluster/distribution.py`): Citus has these
-- functions and tables.

-- name: find_version
SELECT extversion FROM pg_extension WHERE extname = 'citus'

-- name: is_available
SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'citus')

-- name: owns_tables
SELECT coalesce(bool_and(pg_has_role(relowner, 'USAGE')), true)
FROM pg_class
WHERE oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS t (name))

-- name: is_coordinator
SELECT groupid = 0 FROM pg_dist_local_group

-- name: prepare_session
-- Triggers are "unsafe" to Citus where they reach other shards than those beside theirs. Ours do not. A command that is
-- killed must not leave its statement running.
SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '60s', false),
    set_config('citus.enable_unsafe_triggers', 'on', false), set_config('client_min_messages', 'warning', false),
    set_config('client_connection_check_interval', '250ms', false)

-- name: be_sequential
-- Until the end of the transaction: one connection to a node, so that what is made is seen by what follows.
SELECT set_config('citus.multi_shard_modify_mode', 'sequential', true),
    set_config('citus.enable_unsafe_triggers', 'on', true), set_config('client_min_messages', 'warning', true)

-- name: watch_coordinator
-- A node ends a statement whose coordinator is gone, before that can write after a newer one. Citus tells the nodes.
-- (prepare_beside() sees to it too, but from a session's second statement on.)
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET client_connection_check_interval = ''250ms''', current_database());
END $$

-- name: begin
-- From now on no service works here, until this comment is replaced.
COMMENT ON TABLE carried IS 'unfinished'

-- name: list_local
-- Those of the tables that are not distributed, in their order.
SELECT t.name
FROM unnest($1::text[]) WITH ORDINALITY AS t (name, place)
WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = to_regclass(t.name))
ORDER BY t.place

-- name: estimate_rows
SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass($1)

-- name: distribute
SELECT create_distributed_table(
    $1::text::regclass, 'organization_id', colocate_with => $2, shard_count => $3::integer
)

-- name: drop_local_rows
-- Those that were copied to the shards.
SELECT truncate_local_data_after_distributing_table($1::text::regclass)

-- name: count_copied
-- The rows of the table that is being distributed that have reached the nodes.
SELECT coalesce(sum(result::bigint), 0)
FROM run_command_on_workers($$
    SELECT coalesce(sum(tuples_processed), 0) FROM pg_stat_progress_copy WHERE datname = current_database()
$$)
WHERE success

-- name: identify_rows
-- Rows of a table without a primary key are told apart by all their columns while its shards are moved: a row that is
-- deleted meanwhile would be refused otherwise.
SELECT format('ALTER TABLE %s REPLICA IDENTITY FULL', c.oid::regclass)
FROM pg_class AS c
WHERE c.oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS t (name)) AND c.relreplident = 'd'
AND NOT EXISTS (SELECT 1 FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary)

-- name: find_unnumbered
-- Whether a node has sequences that have not begun.
SELECT coalesce(bool_or(result::boolean), false)
FROM run_command_on_workers($$
    SELECT EXISTS (
        SELECT 1 FROM pg_sequences
        WHERE schemaname = current_schema() AND start_value >= 1::bigint << 48 AND last_value IS NULL
    )
$$)
WHERE success

-- name: begin_numbers
-- On each node, a sequence begins, within the numbers that are the node's, at the seconds since 2026 times 65,536. So a
-- node does not give a number again that a node of a former cluster gave, whose rows came here by a backup.
SELECT count(*)
FROM run_command_on_workers($$
    SELECT count(setval(
        format('%I.%I', schemaname, sequencename)::regclass,
        start_value + (extract(epoch FROM clock_timestamp())::bigint - 1767225600) * 65536
    ))
    FROM pg_sequences
    WHERE schemaname = current_schema() AND start_value >= 1::bigint << 48 AND last_value IS NULL
$$)

-- name: list_bonds
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint
WHERE contype = 'f' AND to_regclass($1) IN (conrelid, confrelid)
UNION ALL
SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass)
FROM pg_trigger
WHERE tgrelid = to_regclass($1) AND NOT tgisinternal AND $1 <> 'carried'

-- name: find_carried_version
SELECT obj_description(to_regclass('carried'), 'pg_class')

-- name: count_shards
SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = to_regclass('request')
