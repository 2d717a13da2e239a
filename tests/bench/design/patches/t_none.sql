-- name: schema
DROP INDEX score_time;
