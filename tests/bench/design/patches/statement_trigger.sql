-- name: schema
-- Replaced values are moved by a trigger, once a statement.
CREATE FUNCTION keep_replaced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
    SELECT value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean FROM replaced;
    RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER UPDATE ON score REFERENCING OLD TABLE AS replaced
FOR EACH STATEMENT EXECUTE FUNCTION keep_replaced();
