-- Destinations of events, and the deliveries that wait to be sent to them.

CREATE TABLE destination (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    organization_id integer NOT NULL,
    -- 'webhook', 'slack', 'email', or 'helicone' for a webhook in Helicone's format (/v1/webhooks).
    kind text NOT NULL,
    name text NOT NULL,
    -- A URL, or an e-mail address.
    address text NOT NULL,
    -- Which types of events are sent; may be empty where there is a digest.
    events text[] NOT NULL,
    -- The rest of what the API takes, as it was sent: filter, scores, sample rate, version of Helicone's format.
    options jsonb NOT NULL DEFAULT '{}',
    -- The first one signs; until old_secret_until the second one does, too.
    secret text,
    old_secret text,
    old_secret_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Since when every delivery has failed; null: the last one succeeded.
    failing_since timestamptz,
    -- Null: it is not disabled.
    disabled_at timestamptz,
    disabled_reason text,
    -- A service sends to it: no other does before that time. One that has passed says when it had its last turn.
    claimed_until timestamptz,
    -- 'daily', 'weekly', or null: it is sent no digest. The hour is in UTC; a weekly one is made on Mondays.
    digest text,
    digest_hour smallint NOT NULL DEFAULT 8,
    -- When the next digest is due. Whoever makes it moves this on in the same transaction, so that there is one.
    digest_at timestamptz,
    -- How often it was begun, and before when no service begins it again.
    digest_tries integer NOT NULL DEFAULT 0,
    digest_retry_at timestamptz,
    CONSTRAINT destination_pkey PRIMARY KEY (id),
    CONSTRAINT destination_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT destination_kind_check CHECK (kind IN ('webhook', 'slack', 'email', 'helicone')),
    CONSTRAINT destination_digest_check CHECK (digest IN ('daily', 'weekly')),
    CONSTRAINT destination_digest_hour_check CHECK (digest_hour BETWEEN 0 AND 23),
    CONSTRAINT destination_digest_at_check CHECK ((digest IS NULL) = (digest_at IS NULL)),
    CONSTRAINT destination_purpose_check CHECK (cardinality(events) > 0 OR digest IS NOT NULL)
);

CREATE INDEX destination_organization_id_idx ON destination (organization_id, created_at);

-- Sent in the order of `number`. A delivery that failed holds back those after it until it is sent or parked.
CREATE TABLE delivery (
    number bigint GENERATED ALWAYS AS IDENTITY,
    -- The same however often it is sent.
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    organization_id integer NOT NULL,
    destination_id uuid NOT NULL,
    type text NOT NULL,
    -- What is sent, letter by letter; of Helicone's format {"requestNo": n}, since bodies are read when they are sent.
    body json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When it was made, or last sent again by hand: it is tried for a day from then on.
    waiting_since timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'waiting',
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    -- Of the last attempt: an HTTP status, and why it failed.
    last_attempt_at timestamptz,
    last_status integer,
    last_error text,
    CONSTRAINT delivery_pkey PRIMARY KEY (number),
    CONSTRAINT delivery_id_key UNIQUE (id),
    CONSTRAINT delivery_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destination (id) ON DELETE CASCADE,
    CONSTRAINT delivery_state_check CHECK (state IN ('waiting', 'delivered', 'parked'))
);

CREATE INDEX delivery_waiting_idx ON delivery (destination_id, number) WHERE state = 'waiting';
CREATE INDEX delivery_destination_id_idx ON delivery (destination_id, number);
-- To find those that have been kept long enough.
CREATE INDEX delivery_ended_idx ON delivery (created_at) WHERE state <> 'waiting';

-- Up to where events have become deliveries. Those of transactions that are visible in to_snapshot and not in
-- from_snapshot are being worked through, in order of id; after_id is the last one done.
CREATE TABLE event_cursor (
    is_only boolean NOT NULL DEFAULT true,
    from_snapshot pg_snapshot NOT NULL,
    to_snapshot pg_snapshot,
    after_id bigint NOT NULL DEFAULT 0,
    CONSTRAINT event_cursor_pkey PRIMARY KEY (is_only),
    CONSTRAINT event_cursor_is_only_check CHECK (is_only)
);
