-- The nodes of a cluster, as the coordinator sees them (`store/cluster/nodes.py`).

-- name: be_quick
-- Until the end of the transaction: how long to wait for a node that does not answer.
SELECT set_config('citus.node_connection_timeout', '2000', true)

-- name: look
-- The other nodes, each with what it says of itself; where it says nothing, the reason.
SELECT n.nodename AS name, n.nodeport AS port, n.groupid AS number, n.shouldhaveshards AS takes_shards,
    CASE WHEN r.success THEN r.result::json END AS facts,
    CASE WHEN NOT r.success THEN r.result END AS error
FROM pg_dist_node AS n
JOIN run_command_on_workers($$
    SELECT json_build_object(
        'postgres', current_setting('server_version_num')::integer / 10000,
        'citus', (SELECT extversion FROM pg_extension WHERE extname = 'citus'),
        'connections', current_setting('max_connections')::integer,
        'prepared_transactions', current_setting('max_prepared_transactions')::integer,
        'wal_level', current_setting('wal_level'),
        'fsync', current_setting('fsync'),
        'synchronous_commit', current_setting('synchronous_commit')
    )
$$) AS r ON r.nodename = n.nodename AND r.nodeport = n.nodeport
WHERE n.isactive AND n.noderole = 'primary' AND n.groupid <> 0
ORDER BY n.nodeid

-- name: look_at_coordinator
SELECT current_setting('server_version_num')::integer / 10000 AS postgres,
    (SELECT extversion FROM pg_extension WHERE extname = 'citus') AS citus,
    current_setting('max_connections')::integer AS connections,
    current_setting('max_prepared_transactions')::integer AS prepared_transactions,
    current_setting('wal_level') AS wal_level,
    current_setting('fsync') AS fsync,
    current_setting('synchronous_commit') AS synchronous_commit,
    (SELECT setting::integer FROM pg_settings WHERE name = 'citus.recover_2pc_interval') AS recovery_ms,
    (SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = to_regclass('request')) AS shards,
    EXISTS (SELECT 1 FROM pg_dist_node WHERE groupid = 0 AND shouldhaveshards AND isactive) AS takes_shards

-- name: ping
-- Whether each of the other nodes answers.
SELECT nodename AS name, nodeport AS port, success AS answers
FROM run_command_on_workers('SELECT 1')
ORDER BY nodename, nodeport
