-- name: schema
-- Replaced values are moved by a trigger, once a row.
CREATE FUNCTION keep_replaced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
    VALUES (OLD.value, OLD.request_no, OLD.scored_at, OLD.organization_id, OLD.name_id, OLD.origin_id, OLD.is_boolean);
    RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER UPDATE OF value, is_boolean, origin_id ON score
FOR EACH ROW EXECUTE FUNCTION keep_replaced();
