-- What was asked with an Idempotency-Key, so that the same request again does nothing more. The state is written in the
-- transaction of the effect: running (nothing is kept yet), done (it is), answered (and so is the answer).
CREATE TABLE idempotency (
  token_id UUID NOT NULL REFERENCES api_token (id),
  key TEXT NOT NULL,
  request BYTEA NOT NULL,
  attempt UUID NOT NULL,
  state TEXT NOT NULL,
  begun_at BIGINT NOT NULL,
  status BIGINT,
  media TEXT,
  answer BYTEA,
  PRIMARY KEY (token_id, key)
);
CREATE INDEX idempotency_begun ON idempotency (begun_at);
