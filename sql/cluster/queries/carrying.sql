-- Carrying statements to the shards that they concern (`store/connections/carrying.py`).

-- name: carry
INSERT INTO carried (organization_id, organizations, name, types, tables, statement, arguments)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: carry_each
SELECT carry_each($1, $2, $3, $4, $5, $6)

-- name: stay_on_one_node
SELECT stay_on_one_node($1)

-- name: carry_and_return
INSERT INTO carried (organization_id, organizations, name, types, tables, statement, arguments, returns_rows)
VALUES ($1, $2, $3, $4, $5, $6, $7, true)
RETURNING rows

-- name: read_rows
SELECT row.* FROM json_to_recordset($1::json) AS row (/* columns */ "request_no" bigint /* end */)
