-- no transaction
-- Scores that name a response which is not logged yet, and finding requests by their responses' ids.

-- What fractions are multiplied by, to become whole numbers.
ALTER TABLE score_definition ADD COLUMN IF NOT EXISTS scale integer
    CONSTRAINT score_definition_scale_check CHECK (scale > 0);

-- They become scores in the transaction that logs the response; see sql/queries/waiting_score.sql.
CREATE TABLE IF NOT EXISTS waiting_score (
    organization_id integer NOT NULL,
    -- Rises with time: the oldest are pruned first.
    id bigint GENERATED ALWAYS AS IDENTITY,
    posted_at timestamptz NOT NULL,
    response_id text COLLATE "C" NOT NULL,
    name_id integer NOT NULL,
    origin_id integer NOT NULL,
    value bigint NOT NULL,
    is_boolean boolean NOT NULL,
    comment text,
    CONSTRAINT waiting_score_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT waiting_score_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization (id)
);

CREATE INDEX IF NOT EXISTS waiting_score_response_id_idx ON waiting_score (organization_id, response_id);

-- By hash: clients choose the ids, and one may be longer than an index takes. An entry has 16 bytes.
CREATE INDEX CONCURRENTLY IF NOT EXISTS request_response_id_idx
    ON request (organization_id, hashtextextended(response_id, 0)) WHERE response_id IS NOT NULL;
