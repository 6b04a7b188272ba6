-- Where programs of others are told what happens: an address, what it wants to hear, and how far it was told. The secret that
-- signs is sealed; for a while after a change the one before signs as well.
CREATE TABLE webhook (
  id BLOB NOT NULL PRIMARY KEY,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  events TEXT NOT NULL,
  state TEXT NOT NULL,
  disabled_why TEXT,
  disabled_at INTEGER,
  secret_sealed BLOB NOT NULL,
  old_secret_sealed BLOB,
  old_secret_until INTEGER,
  seen_seq INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  failing_since INTEGER,
  rest_until INTEGER NOT NULL,
  last_ok_at INTEGER,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- One event for one address. `tried` counts since it was last put in line; a test has no event, and 0 as its number.
CREATE TABLE webhook_delivery (
  id BLOB NOT NULL PRIMARY KEY,
  webhook_id BLOB NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
  event_id BLOB REFERENCES event (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  state TEXT NOT NULL,
  tried INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  begun_at INTEGER,
  finished_at INTEGER,
  UNIQUE (webhook_id, event_id)
) STRICT;
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, due_at, seq) WHERE state = 'pending';
CREATE INDEX webhook_delivery_list ON webhook_delivery (webhook_id, created_at, id);
CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX webhook_delivery_finished ON webhook_delivery (finished_at) WHERE finished_at IS NOT NULL;

-- What came of each try.
CREATE TABLE webhook_attempt (
  id BLOB NOT NULL PRIMARY KEY,
  delivery_id BLOB NOT NULL REFERENCES webhook_delivery (id) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  took_ms INTEGER NOT NULL,
  status INTEGER,
  error TEXT,
  answer TEXT
) STRICT;
CREATE INDEX webhook_attempt_of ON webhook_attempt (delivery_id, id);
