-- name: schema
ALTER TABLE score SET (fillfactor = 90);
