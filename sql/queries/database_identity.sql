-- The identity of a database: see store/connections/database_identity.py.

-- name: find
SELECT d.oid, m.tableoid, m.applied_at
FROM schema_migration AS m
JOIN pg_database AS d ON d.datname = current_database()
WHERE m.number = 1
