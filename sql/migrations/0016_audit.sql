-- Who did what the data no longer shows: keys made and revoked, deletions, reverts, restores, definitions changed.

-- Kept for ever, and without values of what was deleted. A row is written in the transaction of what it tells of.
CREATE TABLE audit_entry (
    id bigint GENERATED ALWAYS AS IDENTITY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    -- Null: it concerns all organizations. No foreign key: it would cost a lock on the organization's row.
    organization_id integer,
    -- An API key, a person's session of the dashboard (with the key that opened it), a command, or the service by itself.
    actor text NOT NULL,
    key_id integer,
    -- Who that person says to be, an author.
    person text,
    action text NOT NULL,
    -- A key's number, a score's name, the names of a filter's columns.
    subject jsonb NOT NULL,
    -- How much there was: {"requests": 3, "scores": 12}.
    numbers jsonb NOT NULL,
    CONSTRAINT audit_entry_pkey PRIMARY KEY (id),
    CONSTRAINT audit_entry_actor_check CHECK (actor IN ('key', 'session', 'command', 'service'))
);

CREATE INDEX audit_entry_organization_id_idx ON audit_entry (organization_id, id);
