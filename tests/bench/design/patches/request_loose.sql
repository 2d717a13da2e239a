-- name: schema
-- Room for the new version of a row in its own page: updates of updated_at stay HOT.
ALTER TABLE request SET (fillfactor = 90);
