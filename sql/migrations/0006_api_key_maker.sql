-- Which key made a key through the API: where one has leaked, those that it made have to go too.

-- NULL: made from the command line, or before this column was there.
ALTER TABLE api_key ADD COLUMN made_by integer, ADD CONSTRAINT api_key_made_by_fkey FOREIGN KEY (made_by) REFERENCES api_key (id);
