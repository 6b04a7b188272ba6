-- Where programs of others are told what happens: an address, what it wants to hear, and how far it was told. The secret that
-- signs is sealed; for a while after a change the one before signs as well.
CREATE TABLE webhook (
  id UUID NOT NULL PRIMARY KEY,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  events JSONB NOT NULL,
  state TEXT NOT NULL,
  disabled_why TEXT,
  disabled_at BIGINT,
  secret_sealed BYTEA NOT NULL,
  old_secret_sealed BYTEA,
  old_secret_until BIGINT,
  seen_seq BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  failing_since BIGINT,
  rest_until BIGINT NOT NULL,
  last_ok_at BIGINT,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);

-- One event for one address. `tried` counts since it was last put in line; a test has no event, and 0 as its number.
CREATE TABLE webhook_delivery (
  id UUID NOT NULL PRIMARY KEY,
  webhook_id UUID NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
  event_id UUID REFERENCES event (id) ON DELETE CASCADE,
  seq BIGINT NOT NULL,
  type TEXT NOT NULL,
  state TEXT NOT NULL,
  tried BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  begun_at BIGINT,
  finished_at BIGINT,
  UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, due_at, seq) WHERE state = 'pending';
CREATE INDEX webhook_delivery_list ON webhook_delivery (webhook_id, created_at, id);
CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX webhook_delivery_finished ON webhook_delivery (finished_at) WHERE finished_at IS NOT NULL;

-- What came of each try.
CREATE TABLE webhook_attempt (
  id UUID NOT NULL PRIMARY KEY,
  delivery_id UUID NOT NULL REFERENCES webhook_delivery (id) ON DELETE CASCADE,
  at BIGINT NOT NULL,
  took_ms BIGINT NOT NULL,
  status BIGINT,
  error TEXT,
  answer TEXT
);
CREATE INDEX webhook_attempt_of ON webhook_attempt (delivery_id, id);
