-- The server as it concerns us: see store/connections/server_checks.py.

-- name: find
SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
    current_database()::text AS database,
    current_user::text AS role,
    host(inet_server_addr()) AS host,
    inet_server_port() AS port,
    pg_encoding_to_char(d.encoding)::text AS encoding,
    pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
    coalesce(has_schema_privilege(current_schema()::text, 'CREATE'), false) AS may_create,
    coalesce((
        SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class AS c WHERE c.oid = to_regclass('schema_migration')
    ), true) AS owns_tables,
    -- least() leaves nulls out. reserved_connections came with version 16.
    least(
        current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
            - coalesce(current_setting('reserved_connections', true)::integer, 0),
        nullif(d.datconnlimit, -1),
        nullif(r.rolconnlimit, -1)
    ) AS allowed_connections
FROM pg_database AS d, pg_roles AS r
WHERE d.datname = current_database() AND r.rolname = current_user

-- name: list_settings
SELECT name, setting, current_setting(name) AS shown FROM pg_settings WHERE name = ANY ($1::text[])
