-- Monitors: numbers of scores that are watched, and the history of what they came to.

CREATE TABLE monitor (
    organization_id integer NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text COLLATE "C" NOT NULL,
    -- As the API takes it.
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- Rises when the monitor is replaced: what was found of the one before is then stored no more.
    revision integer NOT NULL DEFAULT 1,
    -- The end of the last period that was evaluated, or skipped. Results are stored only if it is what it was when the
    -- evaluation began, so each period is evaluated once, however many services try.
    evaluated_until timestamptz NOT NULL,
    -- When the next period ends, or the next attempt is made; null: the monitor is paused.
    next_at timestamptz,
    -- A service evaluates it: no other does before that time.
    claimed_until timestamptz,
    -- How things stand with each group.
    stand jsonb NOT NULL DEFAULT '{}',
    -- Attempts that failed since the last one that did not, and why.
    failures integer NOT NULL DEFAULT 0,
    error text,
    failing_since timestamptz,
    CONSTRAINT monitor_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT monitor_name_key UNIQUE (organization_id, name),
    CONSTRAINT monitor_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization (id)
)
-- Each evaluation makes a new version of the row: with room for it in the page, vacuum has less to do.
WITH (fillfactor = 50);

CREATE INDEX monitor_next_at_idx ON monitor (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE monitor_change (
    organization_id integer NOT NULL,
    monitor_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    -- The end of the period.
    happened_at timestamptz NOT NULL,
    group_value text,
    -- Null: no state changed, as where periods were skipped.
    previous_state text,
    state text,
    value double precision,
    base_value double precision,
    count bigint NOT NULL,
    reason text NOT NULL,
    CONSTRAINT monitor_change_pkey PRIMARY KEY (organization_id, monitor_id, id),
    CONSTRAINT monitor_change_monitor_id_fkey
        FOREIGN KEY (organization_id, monitor_id) REFERENCES monitor (organization_id, id) ON DELETE CASCADE
);

-- For pruning.
CREATE INDEX monitor_change_recorded_at_idx ON monitor_change (recorded_at);
