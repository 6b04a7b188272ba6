-- Until when an account's provider wants to be left alone by whoever reads: another session, and another node, keep to it as well.
ALTER TABLE account ADD COLUMN reading_rest_until BIGINT;
