-- Accounts that a person signed in to with OAuth: what renews the sign-in and what signs in, both sealed.
CREATE TABLE login (
  account TEXT NOT NULL PRIMARY KEY,
  provider TEXT NOT NULL,
  address TEXT NOT NULL,
  refresh_sealed BLOB NOT NULL,
  access_sealed BLOB,
  renew_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  signed_in_at INTEGER NOT NULL,
  renewed_at INTEGER NOT NULL,
  refused_at INTEGER,
  refused_why TEXT
) STRICT;

-- Sign-ins that began: known by the hash of the state that comes back, good once.
CREATE TABLE login_pending (
  state_hash BLOB NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  provider TEXT NOT NULL,
  address TEXT NOT NULL,
  verifier_sealed BLOB NOT NULL,
  redirect_uri TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  finished_at INTEGER,
  failure TEXT
) STRICT;
CREATE INDEX login_pending_expires ON login_pending (expires_at);
