-- Review queues: requests that people are asked to score, and who has which in work.

CREATE TABLE review_queue (
    organization_id integer NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text COLLATE "C" NOT NULL,
    instructions text NOT NULL,
    -- The names of the scores that each reviewer gives.
    scores text[] NOT NULL,
    reviewers_per_item smallint NOT NULL,
    -- Whether reviewers see each other's scores of an item only once they have given their own.
    is_blind boolean NOT NULL,
    reservation_minutes integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CONSTRAINT review_queue_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT review_queue_name_key UNIQUE (organization_id, name),
    CONSTRAINT review_queue_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT review_queue_reviewers_per_item_check CHECK (reviewers_per_item >= 1)
);

CREATE TABLE queue_item (
    organization_id integer NOT NULL,
    queue_id uuid NOT NULL,
    -- The order in which items are handed out; numbers of removed ones are not given again while later ones are there.
    position integer NOT NULL,
    request_no bigint NOT NULL,
    -- Reviewers, as authors are written.
    skipped_by text[] NOT NULL DEFAULT '{}',
    CONSTRAINT queue_item_pkey PRIMARY KEY (organization_id, queue_id, position),
    -- Begins with the request: it serves the deletion of requests too.
    CONSTRAINT queue_item_request_no_key UNIQUE (request_no, organization_id, queue_id),
    CONSTRAINT queue_item_queue_id_fkey
        FOREIGN KEY (organization_id, queue_id) REFERENCES review_queue (organization_id, id) ON DELETE CASCADE,
    -- However a request goes, its items go with it.
    CONSTRAINT queue_item_request_no_fkey
        FOREIGN KEY (request_no, organization_id) REFERENCES request (request_no, organization_id) ON DELETE CASCADE
);

-- The places of an item, as many as reviewers are wanted: who reserves or finishes it changes one row. No count could be
-- right while others reserve, but a row is one reviewer's at a time.
CREATE TABLE queue_review (
    organization_id integer NOT NULL,
    queue_id uuid NOT NULL,
    position integer NOT NULL,
    place smallint NOT NULL,
    -- Null: nobody has taken it. One whose reservation has expired is taken by the next who asks.
    reviewer text COLLATE "C",
    reserved_until timestamptz,
    done_at timestamptz,
    CONSTRAINT queue_review_pkey PRIMARY KEY (organization_id, queue_id, position, place),
    CONSTRAINT queue_review_reviewer_key UNIQUE (organization_id, queue_id, position, reviewer),
    CONSTRAINT queue_review_position_fkey FOREIGN KEY (organization_id, queue_id, position)
        REFERENCES queue_item (organization_id, queue_id, position) ON DELETE CASCADE
)
-- A place is taken and finished: two new versions of its row.
WITH (fillfactor = 70);

-- The next free place.
CREATE INDEX queue_review_open_idx ON queue_review (organization_id, queue_id, position, place) WHERE done_at IS NULL;

-- A reviewer has one item of a queue in work.
CREATE UNIQUE INDEX queue_review_in_work_key
    ON queue_review (organization_id, queue_id, reviewer) WHERE done_at IS NULL AND reviewer IS NOT NULL;

-- Keys that may only review one queue: q. Running services refuse them everywhere.
ALTER TABLE api_key
    ADD COLUMN queue_id uuid,
    DROP CONSTRAINT api_key_permissions_check,
    ADD CONSTRAINT api_key_permissions_check CHECK (permissions IN ('rw', 'r', 'w', 'f', 'q')),
    ADD CONSTRAINT api_key_queue_id_check CHECK ((permissions = 'q') = (queue_id IS NOT NULL)),
    -- They are handed to many, so that each ends by itself.
    ADD CONSTRAINT api_key_expires_at_check CHECK (permissions <> 'q' OR expires_at IS NOT NULL);
