-- Who gave a score, what it was before, and why.
--
-- The present value stays in the table score; what is replaced or removed moves to score_history.
-- tests/bench/design holds the study behind this.

-- Who scores by which call, as a small number. Kept for ever: services remember the numbers.
CREATE TABLE score_origin (
    id integer GENERATED ALWAYS AS IDENTITY,
    organization_id integer NOT NULL,
    -- The author. Strings are empty, not null, where there is none: a unique constraint takes nulls for different.
    kind text NOT NULL,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    call text COLLATE "C" NOT NULL,
    -- Who restored the author's value, or took back what stood over it.
    restored_by text COLLATE "C" NOT NULL,
    CONSTRAINT score_origin_pkey PRIMARY KEY (id),
    CONSTRAINT score_origin_key UNIQUE (organization_id, kind, name, version, call, restored_by),
    CONSTRAINT score_origin_kind_check CHECK (kind IN ('human', 'judge', 'code', 'api')),
    CONSTRAINT score_origin_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization (id)
);

-- Null: a score from before origins were kept. Neither command rewrites the table.
ALTER TABLE score ADD COLUMN origin_id integer;

-- With microseconds a change is identified by its score and its time.
ALTER TABLE score ALTER COLUMN scored_at TYPE timestamptz;

-- One row for each change of a score that is not its present value.
CREATE TABLE score_history (
    -- Null: the score was removed.
    value bigint,
    request_no bigint NOT NULL,
    scored_at timestamptz NOT NULL,
    -- When its author's changes were taken back: it is no opinion any more.
    taken_back_at timestamptz,
    organization_id integer NOT NULL,
    name_id integer NOT NULL,
    origin_id integer,
    is_boolean boolean,
    -- True or null: it never was the score, because a human's value stood (precedence).
    is_aside boolean,
    CONSTRAINT score_history_pkey PRIMARY KEY (request_no, organization_id, name_id, scored_at),
    CONSTRAINT score_history_is_boolean_check CHECK (is_boolean),
    CONSTRAINT score_history_is_aside_check CHECK (is_aside)
)
WITH (autovacuum_vacuum_scale_factor = 0.05);

-- Why: of a change, present or past.
CREATE TABLE score_comment (
    request_no bigint NOT NULL,
    scored_at timestamptz NOT NULL,
    organization_id integer NOT NULL,
    name_id integer NOT NULL,
    comment text NOT NULL,
    CONSTRAINT score_comment_pkey PRIMARY KEY (request_no, organization_id, name_id, scored_at)
);

-- A trigger, because only it sees what a writer really replaces: the row that another transaction committed after the
-- statement's snapshot was taken. And nobody, not even an operator, can overwrite a value without a trace.
-- (OR REPLACE: before an older backup is restored the function is made, for that may have its trigger.)
CREATE OR REPLACE FUNCTION keep_replaced_score() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
    VALUES (OLD.value, OLD.request_no, OLD.scored_at, OLD.organization_id, OLD.name_id, OLD.origin_id, OLD.is_boolean);
    RETURN NULL;
END $$;

CREATE TRIGGER score_keep_replaced AFTER UPDATE OF value, is_boolean, scored_at, origin_id ON score
FOR EACH ROW
WHEN (OLD.value <> NEW.value OR OLD.scored_at <> NEW.scored_at
    OR OLD.is_boolean IS DISTINCT FROM NEW.is_boolean OR OLD.origin_id IS DISTINCT FROM NEW.origin_id)
EXECUTE FUNCTION keep_replaced_score();

-- The author of a key's scores, where the call does not say; null: 'api:' and the key's name.
ALTER TABLE api_key ADD COLUMN author text COLLATE "C";
