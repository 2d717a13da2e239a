-- Events: what happened, for destinations and live streams. A row is written in the transaction that it tells of.

-- Who wants which events. Scores and logged requests become events only where there is a row here, so that writing costs
-- the others nothing.
CREATE TABLE event_interest (
    organization_id integer NOT NULL,
    type text NOT NULL,
    -- 'destination', or 'live' for streams.
    source text NOT NULL,
    -- From then on there are events of every write that began.
    since timestamptz NOT NULL DEFAULT now(),
    -- Streams may resume within an hour; of destinations, infinity.
    until timestamptz NOT NULL,
    CONSTRAINT event_interest_pkey PRIMARY KEY (organization_id, type, source),
    CONSTRAINT event_interest_source_check CHECK (source IN ('destination', 'live'))
);

-- Kept for an hour, and until destinations have been served, but no longer than a day. Transactions commit in another order than they take
-- numbers, so a reader who remembers the last number would miss some: readers remember a snapshot (pg_snapshot), and
-- read the events of transactions that were not visible in it.
CREATE TABLE event (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    -- Of a score: its columns, as they were written; the request may be removed since.
    value bigint,
    request_no bigint,
    scored_at timestamptz,
    organization_id integer NOT NULL,
    name_id integer,
    origin_id integer,
    is_boolean boolean,
    type text NOT NULL,
    -- Of an alert: all there is to say.
    body jsonb,
    CONSTRAINT event_pkey PRIMARY KEY (transaction_id, id),
    CONSTRAINT event_type_check
        CHECK (type IN ('score.recorded', 'request.logged', 'alert.firing', 'alert.resolved'))
);

-- Triggers, because only they see what each of the statements that write scores really changes. For each statement, not
-- each row: without interest a statement pays for one look into a small table.
CREATE OR REPLACE FUNCTION publish_scores() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM event_interest WHERE type = 'score.recorded') THEN
        INSERT INTO event (type, value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
        SELECT 'score.recorded', s.value, s.request_no, s.scored_at, s.organization_id, s.name_id, s.origin_id,
            s.is_boolean
        FROM recorded AS s
        WHERE s.organization_id IN (
            SELECT i.organization_id FROM event_interest AS i WHERE i.type = 'score.recorded' AND i.until > now()
        );
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_changed_scores() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM event_interest WHERE type = 'score.recorded') THEN
        INSERT INTO event (type, value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
        SELECT 'score.recorded', s.value, s.request_no, s.scored_at, s.organization_id, s.name_id, s.origin_id,
            s.is_boolean
        FROM recorded AS s
        JOIN replaced AS before
            ON before.request_no = s.request_no AND before.organization_id = s.organization_id
            AND before.name_id = s.name_id
        WHERE before.scored_at <> s.scored_at AND s.organization_id IN (
            SELECT i.organization_id FROM event_interest AS i WHERE i.type = 'score.recorded' AND i.until > now()
        );
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER score_publish_inserted AFTER INSERT ON score
REFERENCING NEW TABLE AS recorded FOR EACH STATEMENT EXECUTE FUNCTION publish_scores();

CREATE TRIGGER score_publish_updated AFTER UPDATE ON score
REFERENCING OLD TABLE AS replaced NEW TABLE AS recorded FOR EACH STATEMENT EXECUTE FUNCTION publish_changed_scores();
