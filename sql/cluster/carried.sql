-- What a cluster has besides the schema: the way of statements to the node of an organization. `heliscore distribute` runs
-- this file, and `heliscore migrate` again whenever it has changed; each statement can be run again.

-- Every row is a statement on its way. None stays.
CREATE TABLE IF NOT EXISTS carried (
    -- One of those whose rows the statement concerns, which are all of this shard.
    organization_id integer NOT NULL,
    organizations integer[],
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Of the statement's text. It is prepared once for each session and shard.
    name text,
    types text,
    tables text[],
    statement text,
    arguments text,
    returns_rows boolean,
    rows json,
    PRIMARY KEY (organization_id, id)
);

-- While its shard moves, rows can be changed in a table only where they have an identity: a key, or else all of the row.
ALTER TABLE score_day REPLICA IDENTITY FULL;

ALTER TABLE score_group REPLICA IDENTITY FULL;

-- What the name of a table's shard ends with that lies beside the given shard of another table; empty where tables have
-- no shards.
CREATE OR REPLACE FUNCTION shard_suffix(beside text, relation text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    shard text := substring(beside FROM '_(\d+)$');
BEGIN
    IF shard IS NULL THEN
        RETURN '';
    END IF;
    RETURN (
        SELECT '_' || s.shardid
        FROM pg_dist_shard AS o
        JOIN pg_dist_shard AS s ON s.shardminvalue = o.shardminvalue
        WHERE o.shardid = shard::bigint AND s.logicalrelid = relation::regclass
    );
END $$;

-- Prepares a statement for the shards beside one, once in a session, and returns the name for EXECUTE. `@request@` stands
-- for the suffix of the shard of request. The setting remembers what was prepared: a transaction that fails takes it back,
-- and leaves the prepared statement, for which the view is looked at then.
-- Without the check interval, a node would go on with a statement whose coordinator is gone, and could write it after a
-- newer one.
CREATE OR REPLACE FUNCTION prepare_beside(shard text, name text, types text, tables text[], statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    prepared_name text := format('s%s_%s', name, shard);
    relation text;
BEGIN
    IF coalesce(current_setting('heliscore.' || prepared_name, true), '') <> '' THEN
        RETURN prepared_name;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_prepared_statements AS p WHERE p.name = prepared_name) THEN
        FOREACH relation IN ARRAY tables LOOP
            statement := replace(statement, '@' || relation || '@', shard_suffix(shard, relation));
        END LOOP;
        EXECUTE format('PREPARE %I %s AS %s', prepared_name, '(' || nullif(types, '') || ')', statement);
    END IF;
    PERFORM set_config('client_connection_check_interval', '250ms', false);
    PERFORM set_config('heliscore.' || prepared_name, 'prepared', false);
    RETURN prepared_name;
END $$;

-- Runs the statement of a row where the row would be. A statement's plan is one for any parameters: that of these
-- statements is always the same. That all organizations are of this shard is checked here, where Citus holds the shard
-- in its place: who sent the statement may have known it before a split.
CREATE OR REPLACE FUNCTION carry() RETURNS trigger
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    statement text := format(
        'EXECUTE %I %s',
        prepare_beside(TG_TABLE_NAME, NEW.name, NEW.types, NEW.tables, NEW.statement),
        '(' || nullif(NEW.arguments, '') || ')'
    );
    one record;
    found json[] := '{}';
BEGIN
    IF cardinality(NEW.organizations) > 1 AND TG_TABLE_NAME ~ '_\d+$' THEN
        IF EXISTS (
            SELECT FROM unnest(NEW.organizations) AS o (id)
            WHERE 'carried_' || get_shard_id_for_distribution_column('carried', o.id) <> TG_TABLE_NAME
        ) THEN
            RAISE object_not_in_prerequisite_state USING MESSAGE = 'the organizations are of several shards';
        END IF;
    END IF;
    IF NEW.returns_rows IS NULL THEN
        EXECUTE statement;
        RETURN NULL;
    END IF;
    FOR one IN EXECUTE statement LOOP
        found := found || to_json(one);
    END LOOP;
    NEW.rows := array_to_json(found);
    NEW.statement := NULL;
    NEW.arguments := NULL;
    RETURN NEW;
END $$;

-- Refuses a transaction that has written to organizations of several nodes: one of them has moved. Its commit would take
-- two phases, and what is acknowledged after the first is invisible until the second, which a dead node delays. Citus
-- holds the shards in their places from the first write to the commit, so that what is found here stays true.
CREATE OR REPLACE FUNCTION stay_on_one_node(organizations integer[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('pg_dist_placement') IS NULL THEN
        RETURN; -- a single PostgreSQL, which can carry too
    END IF;
    IF (
        SELECT count(DISTINCT p.groupid)
        FROM pg_dist_placement AS p
        WHERE p.shardid = ANY (ARRAY(
            SELECT get_shard_id_for_distribution_column('carried', o.id) FROM unnest(organizations) AS o (id)
        ))
    ) > 1 THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = 'the organizations are of several nodes';
    END IF;
END $$;

-- Carries a statement to several shards, one after the other: one message to the coordinator, and one transaction.
CREATE OR REPLACE FUNCTION carry_each(
    organizations text[], name text, types text, tables text[], statement text, arguments text[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    together integer[];
    first_one integer;
    first_ones integer[] := '{}';
    own text;
BEGIN
    FOR place IN 1 .. cardinality(organizations) LOOP
        together := organizations[place];
        first_one := together[1];
        own := arguments[place];
        INSERT INTO carried (organization_id, organizations, name, types, tables, statement, arguments)
        VALUES (first_one, together, carry_each.name, carry_each.types, carry_each.tables, carry_each.statement, own);
        first_ones := first_ones || first_one;
    END LOOP;
    PERFORM stay_on_one_node(first_ones);
END $$;

CREATE OR REPLACE FUNCTION forget_carried() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DELETE FROM %I WHERE organization_id = $1 AND id = $2', TG_TABLE_NAME) USING NEW.organization_id, NEW.id;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER carried_carry BEFORE INSERT ON carried FOR EACH ROW EXECUTE FUNCTION carry();

CREATE OR REPLACE TRIGGER carried_forget AFTER INSERT ON carried FOR EACH ROW EXECUTE FUNCTION forget_carried();

-- The number of this node, 0 where there is no cluster.
CREATE OR REPLACE FUNCTION node_number() RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF to_regclass('pg_catalog.pg_dist_local_group') IS NULL THEN
        RETURN 0;
    END IF;
    RETURN (SELECT groupid FROM pg_dist_local_group);
END $$;

-- Each node numbers its transactions by itself, and shards move: the node is in the number's high bits.
CREATE OR REPLACE FUNCTION event_transaction() RETURNS xid8
LANGUAGE sql VOLATILE AS $$
    SELECT ((node_number() << 48) + pg_current_xact_id()::text::bigint)::text::xid8
$$;

CREATE OR REPLACE FUNCTION event_snapshot() RETURNS pg_snapshot
LANGUAGE sql STABLE AS $$
    SELECT format(
        '%s:%s:%s', n.first + pg_snapshot_xmin(n.now)::text::bigint, n.first + pg_snapshot_xmax(n.now)::text::bigint,
        (SELECT string_agg((n.first + x.id::text::bigint)::text, ',' ORDER BY x.id) FROM pg_snapshot_xip(n.now) AS x (id))
    )::pg_snapshot
    FROM (SELECT node_number() << 48 AS first, pg_current_snapshot() AS now) AS n
$$;

-- The functions of the schema's triggers, for shards. They do what those of the migrations do, to the shards beside.
CREATE OR REPLACE FUNCTION keep_replaced_score() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'EXECUTE %I (%L, %L, %L, %L, %L, %L, %L)',
        prepare_beside(
            TG_TABLE_NAME, 'keep', 'bigint, bigint, timestamptz, integer, integer, integer, boolean', '{score_history}',
            'INSERT INTO score_history@score_history@
                (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
            VALUES ($1, $2, $3, $4, $5, $6, $7)'
        ),
        OLD.value, OLD.request_no, OLD.scored_at, OLD.organization_id, OLD.name_id, OLD.origin_id, OLD.is_boolean
    );
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION has_score_interest(shard text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    found boolean;
BEGIN
    EXECUTE format(
        'EXECUTE %I',
        prepare_beside(
            shard, 'interest', '', '{event_interest}',
            'SELECT EXISTS (SELECT FROM event_interest@event_interest@ WHERE type = ''score.recorded'')'
        )
    ) INTO found;
    RETURN found;
END $$;

-- The statement that publishes the scores of a trigger's rows `recorded`, with what is joined to them.
CREATE OR REPLACE FUNCTION publishing(shard text, joined text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN format(
        'INSERT INTO event%s (id, type, value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
        SELECT nextval(''event_id_seq''), ''score.recorded'', s.value, s.request_no, s.scored_at, s.organization_id,
            s.name_id, s.origin_id, s.is_boolean
        FROM recorded AS s
        %s
        WHERE s.organization_id IN (
            SELECT i.organization_id FROM event_interest%s AS i WHERE i.type = ''score.recorded'' AND i.until > now()
        )',
        shard_suffix(shard, 'event'), joined, shard_suffix(shard, 'event_interest')
    );
END $$;

CREATE OR REPLACE FUNCTION publish_scores() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM recorded) AND has_score_interest(TG_TABLE_NAME) THEN
        EXECUTE publishing(TG_TABLE_NAME, '');
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_changed_scores() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM recorded) AND has_score_interest(TG_TABLE_NAME) THEN
        EXECUTE publishing(
            TG_TABLE_NAME,
            'JOIN replaced AS before
                ON before.request_no = s.request_no AND before.organization_id = s.organization_id
                AND before.name_id = s.name_id AND before.scored_at <> s.scored_at'
        );
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION touch_hours() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    h record;
BEGIN
    FOR h IN
        SELECT s.organization_id, array_agg(DISTINCT s.name_id) AS name_ids,
            date_bin('1 hour', s.request_created_at, '0001-01-01Z') AS begins_at
        FROM touching AS s
        GROUP BY 1, 3
    LOOP
        EXECUTE format(
            'EXECUTE %I (%L, %L, %L)',
            prepare_beside(
                TG_TABLE_NAME, 'touch', 'integer, integer[], timestamptz', '{touched_hour}',
                'INSERT INTO touched_hour@touched_hour@ (id, organization_id, name_id, begins_at)
                SELECT nextval(''touched_hour_id_seq''), $1, n.name_id, $3
                FROM unnest($2) AS n (name_id)
                WHERE NOT EXISTS (
                    SELECT FROM touched_hour@touched_hour@ AS h
                    WHERE h.organization_id = $1 AND h.name_id = n.name_id AND h.begins_at = $3
                    AND NOT h.is_closing AND current_setting(''transaction_isolation'') = ''read committed''
                    OFFSET 0
                )'
            ),
            h.organization_id, h.name_ids, h.begins_at
        );
    END LOOP;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION touch_regrouped_hours() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'EXECUTE %I (%L, %L)',
        prepare_beside(
            TG_TABLE_NAME, 'regroup', 'integer, bigint', '{score,touched_hour}',
            'INSERT INTO touched_hour@touched_hour@ (id, organization_id, name_id, begins_at)
            SELECT nextval(''touched_hour_id_seq''), s.organization_id, s.name_id,
                date_bin(''1 hour'', s.request_created_at, ''0001-01-01Z'')
            FROM score@score@ AS s
            WHERE s.organization_id = $1 AND s.request_no = $2
            AND NOT EXISTS (
                SELECT FROM touched_hour@touched_hour@ AS h
                WHERE h.organization_id = s.organization_id AND h.name_id = s.name_id
                AND h.begins_at = date_bin(''1 hour'', s.request_created_at, ''0001-01-01Z'')
                AND NOT h.is_closing AND current_setting(''transaction_isolation'') = ''read committed''
                OFFSET 0
            )'
        ),
        NEW.organization_id, NEW.request_no
    );
    RETURN NULL;
END $$;
