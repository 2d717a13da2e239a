-- The secrets that sign what the service hands out. They belong to the database, not to an organization.

-- name: find
SELECT secret FROM signing_secret WHERE purpose = $1

-- name: rotate
UPDATE signing_secret SET secret = $2, made_at = now() WHERE purpose = $1
