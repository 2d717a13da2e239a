-- Raters to choose from: score names, and the authors who gave values under them.

-- name: list
-- By name and author, of the newest $4 scores of each of the first $5 names: how many of the requests they rated, the
-- lowest and highest value of the name, and how many requests both a human and a judge or code rated. A null kind: no
-- author is known.
WITH newest AS MATERIALIZED (
    SELECT n.id AS name_id, n.name, s.request_no, s.value, s.origin_id
    FROM (SELECT id, name FROM score_name WHERE organization_id = $1 ORDER BY name LIMIT $5) AS n
    CROSS JOIN LATERAL (
        SELECT s.request_no, s.value, s.origin_id
        FROM score AS s
        WHERE s.organization_id = $1 AND s.name_id = n.id AND s.request_created_at >= $2 AND s.request_created_at < $3
        ORDER BY s.request_created_at DESC
        LIMIT $4
    ) AS s
),
opinion AS MATERIALIZED (
    SELECT DISTINCT g.name, g.request_no, o.kind, o.name AS author, o.version
    FROM (
        SELECT name, request_no, origin_id
        FROM newest
        UNION ALL
        SELECT w.name, w.request_no, h.origin_id
        FROM newest AS w
        CROSS JOIN LATERAL (
            SELECT h.origin_id
            FROM score_history AS h
            WHERE h.request_no = w.request_no AND h.organization_id = $1::integer::oid AND h.name_id = w.name_id
                AND h.value IS NOT NULL AND h.taken_back_at IS NULL AND h.origin_id IS NOT NULL
            OFFSET 0
        ) AS h
    ) AS g
    LEFT JOIN score_origin AS o ON o.organization_id = $1 AND o.id = g.origin_id
),
both_kinds AS (
    SELECT name, count(*) FILTER (WHERE is_human AND is_machine) AS pairs
    FROM (
        SELECT name, bool_or(kind = 'human') AS is_human, bool_or(kind IN ('judge', 'code')) AS is_machine
        FROM opinion
        GROUP BY name, request_no
    ) AS r
    GROUP BY name
),
bounds AS (
    SELECT name, min(value) AS lowest, max(value) AS highest
    FROM newest
    GROUP BY name
)
SELECT o.name, p.pairs, b.lowest, b.highest, o.kind, o.author, o.version, count(*) AS count
FROM opinion AS o
JOIN both_kinds AS p ON p.name = o.name
JOIN bounds AS b ON b.name = o.name
GROUP BY o.name, p.pairs, b.lowest, b.highest, o.kind, o.author, o.version
ORDER BY o.name, o.kind, o.author, o.version
