-- Saved views: searches of requests that an organization has named.

CREATE TABLE saved_view (
    organization_id integer NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text COLLATE "C" NOT NULL,
    -- What the address of the page of requests says: filter and sort as JSON text, so that they stay as they were
    -- written, the scores and columns that are shown, and the time, "7d" or days. Only what is given.
    search jsonb NOT NULL,
    CONSTRAINT saved_view_pkey PRIMARY KEY (id),
    CONSTRAINT saved_view_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT saved_view_name_key UNIQUE (organization_id, name)
);
