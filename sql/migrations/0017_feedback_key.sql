-- Keys that may only rate requests: f, for browsers.

-- One statement, so that there is no moment without the rule. Running services refuse such keys everywhere.
ALTER TABLE api_key
    DROP CONSTRAINT api_key_permissions_check,
    ADD CONSTRAINT api_key_permissions_check CHECK (permissions IN ('rw', 'r', 'w', 'f'));
