-- Calls that carry an Idempotency-Key, and their answers: a late duplicate gets the same answer and writes nothing.

-- A row is written in the transaction of what its call writes: it is there when that is, and only then. In a cluster
-- distributed by organization_id. No foreign key: it would cost each call a lock on the organization's row.
CREATE TABLE idempotent_call (
    -- Counts for 24 hours; then the key may name another call.
    began_at timestamptz NOT NULL DEFAULT now(),
    organization_id integer NOT NULL,
    -- The HTTP status of the answer. Null until the call is over, but no other transaction sees that.
    status smallint,
    -- The client's, and a name by which nobody sorts.
    key text COLLATE "C" NOT NULL,
    -- SHA-256 of the method, the path with its query, and the body, decompressed.
    call_hash bytea NOT NULL,
    -- Those of the answer, a line each, as in HTTP.
    headers text,
    -- Null where the answer showed a secret, which is kept nowhere.
    body bytea,
    CONSTRAINT idempotent_call_pkey PRIMARY KEY (organization_id, key),
    CONSTRAINT idempotent_call_call_hash_check CHECK (octet_length(call_hash) = 32)
);

-- To find those that are no longer needed.
CREATE INDEX idempotent_call_began_at_idx ON idempotent_call (organization_id, began_at);
