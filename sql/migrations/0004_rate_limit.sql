-- The calls of each key in its current window, a minute that begins with the first call after the one before.
-- They are counted only while HELISCORE_RATE_LIMIT is set.

-- UNLOGGED: no call waits for the disk because of its count, and a crash forgets a minute's counts, nothing else.
-- One row a key, which the next window takes over, so there is nothing to clean up. No foreign key: it would cost
-- each new row a lock on the key's, and the row of a key that is gone does no harm.
CREATE UNLOGGED TABLE rate_window (
    window_start timestamptz NOT NULL,
    api_key_id integer NOT NULL,
    calls integer NOT NULL,
    CONSTRAINT rate_window_pkey PRIMARY KEY (api_key_id)
)
-- Room beside each row for its next versions: it is rewritten at every call.
WITH (fillfactor = 25);
