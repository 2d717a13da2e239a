-- Events of organizations that are kept on several servers: each numbers its transactions by itself.

-- The number of an event's transaction, and the snapshot of now. Where there are several servers, other functions of these
-- names (`sql/cluster/carried.sql`) put the number of the server into the high bits of both.
CREATE OR REPLACE FUNCTION event_transaction() RETURNS xid8 LANGUAGE sql VOLATILE AS $$
    SELECT pg_current_xact_id()
$$;

CREATE OR REPLACE FUNCTION event_snapshot() RETURNS pg_snapshot LANGUAGE sql STABLE AS $$
    SELECT pg_current_snapshot()
$$;

ALTER TABLE event ALTER COLUMN transaction_id SET DEFAULT event_transaction();

-- A cursor for each group of organizations that are kept together, and for each server that wrote events of theirs. A
-- single server is 0, and all organizations on it are group 0. Services of the version before know is_only.
ALTER TABLE event_cursor
    ADD COLUMN group_id integer NOT NULL DEFAULT 0,
    ADD COLUMN node integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT event_cursor_pkey,
    DROP CONSTRAINT event_cursor_is_only_check,
    ADD CONSTRAINT event_cursor_pkey PRIMARY KEY (group_id, node);
