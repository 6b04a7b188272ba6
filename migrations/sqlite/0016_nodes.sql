-- Whoever reads a mailbox notes in its lease that it was read to its end since it took it over, and until when that counts; both by
-- the clock of the leases. A lease that changes hands forgets it: what came while nobody read is read before a sequence says a word.
ALTER TABLE lease ADD COLUMN taken_at INTEGER;
ALTER TABLE lease ADD COLUMN read_until INTEGER;
