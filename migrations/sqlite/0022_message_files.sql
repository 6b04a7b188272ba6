-- Files beside messages of channels that are no mail: where their provider has them until they are fetched, and what became of each.
CREATE TABLE message_file (
  message_id BLOB NOT NULL REFERENCES message (id),
  position INTEGER NOT NULL,
  account TEXT NOT NULL,
  url TEXT NOT NULL,
  name TEXT NOT NULL,
  mime TEXT NOT NULL,
  size INTEGER,
  state TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL,
  lease_holder BLOB,
  lease_until INTEGER,
  reason TEXT,
  hash BLOB,
  stored_at INTEGER NOT NULL,
  PRIMARY KEY (message_id, position)
) STRICT;
CREATE INDEX message_file_due ON message_file (account, due_at, message_id, position) WHERE state = 'waiting';
CREATE INDEX message_file_hash ON message_file (hash) WHERE hash IS NOT NULL;

-- What is in them, by the hash of the whole, in pieces: none is held in memory whole to be read.
CREATE TABLE file_piece (
  hash BLOB NOT NULL,
  position INTEGER NOT NULL,
  size INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (hash, position)
) STRICT;
