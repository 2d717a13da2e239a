-- Where nobody said what a request cost, the service computes it from a table of prices.

ALTER TABLE request
    -- True where cost_usd is such a computed one: people are shown that nobody said it.
    ADD COLUMN cost_is_computed boolean NOT NULL DEFAULT false;
