-- Definitions of scores: which values a name may have, and how people read them.

-- A definition may come before the first score of its name, so it does not refer to score_name.
CREATE TABLE score_definition (
    organization_id integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    -- Rises with every write: count and maximum together say to a service whether the definitions that it remembers
    -- are still those of the organization, without reading them.
    version bigint GENERATED ALWAYS AS IDENTITY,
    type text NOT NULL,
    min_value bigint,
    max_value bigint,
    direction text,
    unit text,
    description text,
    -- By value: {"0": "wrong", "1": "right"}.
    labels jsonb NOT NULL,
    enforce text NOT NULL,
    precedence text NOT NULL,
    CONSTRAINT score_definition_pkey PRIMARY KEY (organization_id, name),
    CONSTRAINT score_definition_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT score_definition_type_check CHECK (type IN ('integer', 'boolean', 'category')),
    CONSTRAINT score_definition_bounds_check CHECK (min_value <= max_value),
    CONSTRAINT score_definition_direction_check CHECK (direction IN ('higher', 'lower')),
    CONSTRAINT score_definition_enforce_check CHECK (enforce IN ('off', 'warn', 'on')),
    CONSTRAINT score_definition_precedence_check CHECK (precedence IN ('newest', 'human'))
);
