-- Where the rows of organizations are in a cluster (`store/cluster/placements.py`).

-- name: find
SELECT o.id, p.groupid, p.shardid
FROM (SELECT id, get_shard_id_for_distribution_column('carried', id) AS shardid FROM unnest($1::integer[]) AS o (id)) AS o
JOIN pg_dist_placement AS p ON p.shardid = o.shardid
