-- Runs that wait for somebody to mend something: listed as loose ends, and looked at again when anything changes.
CREATE INDEX enrollment_stuck ON enrollment (anchor_at, id) WHERE state = 'held' AND held_at IS NULL;

-- Places that no limit looks back to are forgotten, oldest first.
CREATE INDEX reservation_old ON reservation (at, id);
