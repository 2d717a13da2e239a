-- The statistics of requests are renewed as early as those of their scores.

-- The default waits until a tenth of all requests have changed: beside a large organization, a new one would stay
-- unknown to the planner for long.
ALTER TABLE request SET (autovacuum_analyze_scale_factor = 0.02);
