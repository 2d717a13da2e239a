-- Distributing the tables of a database over the nodes of a cluster (`store/cluster/distribution.py`): Citus has these
-- functions and tables.

-- name: find_version
SELECT extversion FROM pg_extension WHERE extname = 'citus'

-- name: is_coordinator
SELECT groupid = 0 FROM pg_dist_local_group

-- name: list_nodes
SELECT nodename, nodeport FROM pg_dist_node WHERE isactive AND shouldhaveshards AND noderole = 'primary' ORDER BY nodeid

-- name: without_limits
-- Triggers are "unsafe" to Citus where they reach other shards than those beside theirs. Ours do not.
SELECT set_config('statement_timeout', '0', false), set_config('citus.enable_unsafe_triggers', 'on', false),
    set_config('client_min_messages', 'warning', false)

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

-- name: is_distributed
SELECT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = to_regclass($1))

-- name: estimate_rows
SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass($1)

-- name: distribute
SELECT create_distributed_table(
    $1::text::regclass, 'organization_id', colocate_with => $2, shard_count => $3::integer
)

-- name: drop_local_rows
-- Those that were copied to the shards.
SELECT truncate_local_data_after_distributing_table($1::text::regclass)

-- name: list_bonds
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint
WHERE contype = 'f' AND to_regclass($1) IN (conrelid, confrelid)
UNION ALL
SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass)
FROM pg_trigger
WHERE tgrelid = to_regclass($1) AND NOT tgisinternal AND $1 <> 'carried'

-- name: has_trigger
SELECT EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgname = $2)

-- name: has_key
SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2)

-- name: find_carried_version
SELECT obj_description(to_regclass('carried'), 'pg_class')
