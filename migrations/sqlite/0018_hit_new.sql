-- Hits as they come, in the order they come: a write at the end of one table. Under the index by message each would write a page
-- of its own. The judge files them, many at once.
CREATE TABLE hit_new (
  id BLOB NOT NULL PRIMARY KEY,
  message_id BLOB NOT NULL,
  kind TEXT NOT NULL,
  link INTEGER,
  at INTEGER NOT NULL,
  method TEXT NOT NULL,
  agent TEXT NOT NULL,
  network TEXT,
  hints TEXT
) STRICT, WITHOUT ROWID;
