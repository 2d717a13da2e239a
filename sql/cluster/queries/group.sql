-- Groups of organizations that are kept together (`store/cluster/groups.py`).

-- name: list
-- Of each shard the first number that is kept there, whether there is an organization of that number or not. A shard of n is
-- not found among 64 * n numbers by a chance of e^-64.
SELECT n.shard, min(n.id)
FROM (
    SELECT id, get_shard_id_for_distribution_column('carried', id) AS shard
    FROM generate_series(0, (SELECT 64 * count(*)::integer FROM pg_dist_shard WHERE logicalrelid = 'carried'::regclass)) AS g (id)
) AS n
GROUP BY n.shard

-- name: begin_cursors
-- What had become deliveries before the tables were distributed: the events that were there are now in all groups.
INSERT INTO event_cursor (group_id, node, from_snapshot, to_snapshot, after_id)
SELECT g.id, 0, c.from_snapshot, c.to_snapshot, c.after_id
FROM event_cursor AS c
CROSS JOIN unnest($1::integer[]) AS g (id)
WHERE c.group_id = 0 AND c.node = 0
ON CONFLICT ON CONSTRAINT event_cursor_pkey DO NOTHING
