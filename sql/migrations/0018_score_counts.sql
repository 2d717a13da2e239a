-- Counts of equal values, from which averages, trends, histograms and comparisons are computed without reading all
-- scores: by hour, and by day also for groups of requests. Hours are those of UTC, by the times of the requests.
--
-- A row of score_hour says the truth as long as no row of touched_hour is for its hour. Whoever writes a score touches its
-- hour in the same statement (below), so that readers, who see both or neither, read the scores of such an hour
-- themselves. Nobody waits for anybody: an hour may be touched by several rows, and a writer who finds one writes none.
-- How these rows are taken away, once the hour was counted, is in sql/queries/score_count.sql.

CREATE TABLE touched_hour (
    id bigint GENERATED ALWAYS AS IDENTITY,
    begins_at timestamptz NOT NULL,
    touched_at timestamptz NOT NULL DEFAULT now(),
    organization_id integer NOT NULL,
    name_id integer NOT NULL,
    -- True: about to be taken away. Writers need another one.
    is_closing boolean NOT NULL DEFAULT false,
    CONSTRAINT touched_hour_pkey PRIMARY KEY (organization_id, name_id, begins_at, id)
)
WITH (fillfactor = 50);

-- The scores of an hour. Sums and squares exceed 64 bits. Booleans are counted by value, because only 0 and 1 can be some.
-- `groupings`: by what score_group has the scores of this hour.
CREATE TABLE score_hour (
    begins_at timestamptz NOT NULL,
    count bigint NOT NULL,
    lowest bigint NOT NULL,
    highest bigint NOT NULL,
    organization_id integer NOT NULL,
    name_id integer NOT NULL,
    booleans integer NOT NULL,
    sum numeric NOT NULL,
    squares numeric NOT NULL,
    groupings text[] NOT NULL,
    CONSTRAINT score_hour_pkey PRIMARY KEY (organization_id, name_id, begins_at)
);

-- The days of which an hour was counted. They are due until all of their hours have ended, and then are counted too.
CREATE TABLE score_day (
    begins_at timestamptz NOT NULL,
    organization_id integer NOT NULL,
    name_id integer NOT NULL,
    is_due boolean NOT NULL,
    groupings text[] NOT NULL
);

CREATE INDEX score_day_begins_at_idx ON score_day (organization_id, name_id, begins_at);
CREATE INDEX score_day_due_idx ON score_day (organization_id, begins_at) WHERE is_due;

-- How often there is each value in an hour or a day (`hours`: 1 or 24): of all scores, or those of a model, a provider, or a
-- prompt (`within`) and its version. `values` and `counts` belong together, in order of value; of the value 0 so many are
-- booleans (`falses`), and of 1 (`trues`). What has too many values for its scores, or too few scores, is left out: to read
-- the scores is as quick.
CREATE TABLE score_group (
    begins_at timestamptz NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    organization_id integer NOT NULL,
    name_id integer NOT NULL,
    falses integer NOT NULL,
    trues integer NOT NULL,
    hours smallint NOT NULL,
    grouping text NOT NULL,
    group_value text,
    within text,
    values bigint[] NOT NULL,
    counts integer[] NOT NULL,
    CONSTRAINT score_group_hours_check CHECK (hours IN (1, 24)),
    CONSTRAINT score_group_grouping_check CHECK (grouping IN ('all', 'model', 'provider', 'prompt'))
);

CREATE INDEX score_group_begins_at_idx ON score_group (organization_id, name_id, begins_at, hours, grouping);

-- Names whose scores are older than this migration: no hour of theirs is counted or touched yet.
CREATE TABLE uncounted_name (
    organization_id integer NOT NULL,
    name_id integer NOT NULL,
    CONSTRAINT uncounted_name_pkey PRIMARY KEY (organization_id, name_id)
);

-- Triggers, because only they see what each statement really changes. A transaction with a snapshot of its beginning
-- could rely on a row that is gone by now: it writes its own.
CREATE OR REPLACE FUNCTION touch_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO touched_hour (organization_id, name_id, begins_at)
    SELECT t.organization_id, t.name_id, t.begins_at
    FROM (
        SELECT DISTINCT s.organization_id, s.name_id,
            date_bin('1 hour', s.request_created_at, '0001-01-01Z') AS begins_at
        FROM touching AS s
    ) AS t
    WHERE NOT EXISTS (
        SELECT FROM touched_hour AS h
        WHERE h.organization_id = t.organization_id AND h.name_id = t.name_id AND h.begins_at = t.begins_at
        AND NOT h.is_closing AND current_setting('transaction_isolation') = 'read committed'
        OFFSET 0
    );
    RETURN NULL;
END $$;

CREATE TRIGGER score_touch_inserted AFTER INSERT ON score
REFERENCING NEW TABLE AS touching FOR EACH STATEMENT EXECUTE FUNCTION touch_hours();

CREATE TRIGGER score_touch_updated AFTER UPDATE ON score
REFERENCING NEW TABLE AS touching FOR EACH STATEMENT EXECUTE FUNCTION touch_hours();

-- The hour that it was in before, where its request has moved.
CREATE TRIGGER score_touch_replaced AFTER UPDATE ON score
REFERENCING OLD TABLE AS touching FOR EACH STATEMENT EXECUTE FUNCTION touch_hours();

CREATE TRIGGER score_touch_deleted AFTER DELETE ON score
REFERENCING OLD TABLE AS touching FOR EACH STATEMENT EXECUTE FUNCTION touch_hours();

-- A request that comes into another group takes its scores along. Its writer has locked the row, as every writer of
-- scores does, so there are no other scores than these.
CREATE OR REPLACE FUNCTION touch_regrouped_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO touched_hour (organization_id, name_id, begins_at)
    SELECT s.organization_id, s.name_id, date_bin('1 hour', s.request_created_at, '0001-01-01Z')
    FROM score AS s
    WHERE s.organization_id = NEW.organization_id AND s.request_no = NEW.request_no
    AND NOT EXISTS (
        SELECT FROM touched_hour AS h
        WHERE h.organization_id = s.organization_id AND h.name_id = s.name_id
        AND h.begins_at = date_bin('1 hour', s.request_created_at, '0001-01-01Z')
        AND NOT h.is_closing AND current_setting('transaction_isolation') = 'read committed'
        OFFSET 0
    );
    RETURN NULL;
END $$;

-- Not for posts of scores, which set no other column than updated_at.
CREATE TRIGGER request_touch_regrouped
AFTER UPDATE OF model_override, response_model, request_model, provider, prompt_id, prompt_version ON request
FOR EACH ROW
WHEN (OLD.model IS DISTINCT FROM NEW.model OR OLD.provider IS DISTINCT FROM NEW.provider
    OR OLD.prompt_id IS DISTINCT FROM NEW.prompt_id OR OLD.prompt_version IS DISTINCT FROM NEW.prompt_version)
EXECUTE FUNCTION touch_regrouped_hours();

-- After the triggers, which wait for all writers: of other names there are no scores without them.
INSERT INTO uncounted_name (organization_id, name_id)
SELECT n.organization_id, n.id FROM score_name AS n;
