-- Requests and their scores.
--
-- In a cluster both tables are distributed by organization_id, so every unique constraint carries it, and a
-- query of one organization touches one node. tests/bench/design holds the study behind this layout.

CREATE TABLE request (
    -- Given by the database with the first score or log call. Scores refer to it: 8 bytes that rise with time,
    -- where the id that clients know is a random text of 36.
    request_no bigint GENERATED ALWAYS AS IDENTITY,
    organization_id integer NOT NULL,
    -- "C": ties in a page are broken by id, in the same order on every server.
    request_id text COLLATE "C" NOT NULL,
    -- Milliseconds, because that is what clients are shown and send back in filters.
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    response_created_at timestamptz(3),
    latency_ms bigint,
    time_to_first_token_ms bigint,
    prompt_tokens bigint,
    completion_tokens bigint,
    total_tokens bigint,
    prompt_cache_read_tokens bigint,
    prompt_cache_write_tokens bigint,
    reasoning_tokens bigint,
    prompt_audio_tokens bigint,
    completion_audio_tokens bigint,
    cost_usd double precision,
    status integer,
    cached boolean,
    cache_enabled boolean,
    threat boolean,
    is_passthrough_billing boolean,
    user_id text,
    provider text,
    request_model text,
    response_model text,
    model_override text,
    -- What people mean by "the model" of a request.
    model text GENERATED ALWAYS AS (coalesce(model_override, response_model, request_model)) STORED,
    prompt_id text,
    prompt_version text,
    response_id text,
    request_path text,
    target_url text,
    country_code text,
    cache_reference_id text,
    request_referrer text,
    node_id text,
    job_id text,
    auth_hash text,
    storage_location text,
    assets text[],
    properties jsonb NOT NULL DEFAULT '{}',
    prompt_variables jsonb,
    ai_gateway_body_mapping jsonb,
    request_body jsonb,
    response_body jsonb,
    CONSTRAINT request_pkey PRIMARY KEY (organization_id, request_id),
    -- From a score to its request.
    CONSTRAINT request_request_no_key UNIQUE (request_no, organization_id)
)
-- Every score post touches updated_at (the row lock is what keeps score.request_created_at true); with room
-- in the page and no index on that column the new version stays in its page and costs no index entry.
WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);

-- Newest first, without a condition on a score. Ascending: rows arrive in that order, and an index fills its
-- pages well only at a rising edge; it is read backwards.
CREATE INDEX request_created_at_idx ON request (organization_id, created_at);

-- The names of an organization's scores, each as a small number. Kept for ever: services remember the numbers.
CREATE TABLE score_name (
    id integer GENERATED ALWAYS AS IDENTITY,
    organization_id integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    CONSTRAINT score_name_pkey PRIMARY KEY (id),
    CONSTRAINT score_name_name_key UNIQUE (organization_id, name),
    CONSTRAINT score_name_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization (id)
);

-- One row per request and score name. The order of the columns leaves no padding. No foreign key to request:
-- it would double the price of a write, and each writer holds the lock of the request's row anyway.
CREATE TABLE score (
    value bigint NOT NULL,
    request_no bigint NOT NULL,
    -- Copied from the request, so that "newest first" can be walked within one score's index.
    request_created_at timestamptz(3) NOT NULL,
    scored_at timestamptz(3) NOT NULL,
    organization_id integer NOT NULL,
    name_id integer NOT NULL,
    -- True or null, never false: a null costs nothing, a false would cost 8 bytes a row by alignment.
    is_boolean boolean,
    -- The scores of one request; request_no first, because it rises and so fills the index in order.
    CONSTRAINT score_pkey PRIMARY KEY (request_no, organization_id, name_id),
    CONSTRAINT score_is_boolean_check CHECK (is_boolean)
)
WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- "accuracy >= 90, newest 100": walked backwards in time, the bound checked inside the index.
CREATE INDEX score_created_at_idx ON score (organization_id, name_id, request_created_at, value);

-- Rare and absent values, for which the walk above would be long; deduplicated it takes 7 bytes a score.
CREATE INDEX score_value_idx ON score (organization_id, name_id, value);
