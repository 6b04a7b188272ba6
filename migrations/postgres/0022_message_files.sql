-- Files beside messages of channels that are no mail: where their provider has them until they are fetched, and what became of each.
CREATE TABLE message_file (
  message_id UUID NOT NULL REFERENCES message (id),
  position BIGINT NOT NULL,
  account TEXT NOT NULL,
  url TEXT NOT NULL,
  name TEXT NOT NULL,
  mime TEXT NOT NULL,
  size BIGINT,
  state TEXT NOT NULL,
  tries BIGINT NOT NULL DEFAULT 0,
  due_at BIGINT NOT NULL,
  lease_holder UUID,
  lease_until BIGINT,
  reason TEXT,
  hash BYTEA,
  stored_at BIGINT NOT NULL,
  PRIMARY KEY (message_id, position)
);
CREATE INDEX message_file_due ON message_file (account, due_at, message_id, position) WHERE state = 'waiting';
CREATE INDEX message_file_hash ON message_file (hash) WHERE hash IS NOT NULL;

-- What is in them, by the hash of the whole, in pieces: none is held in memory whole to be read.
CREATE TABLE file_piece (
  hash BYTEA NOT NULL,
  position BIGINT NOT NULL,
  size BIGINT NOT NULL,
  data BYTEA NOT NULL,
  PRIMARY KEY (hash, position)
);
