-- What upkeep needs: damage that was found, the row of a locator, the versions that hold a digest, and leases.

ALTER TABLE blobs ADD COLUMN damaged_at INTEGER;
CREATE INDEX blobs_located ON blobs (locator);
CREATE INDEX versions_held ON versions (sha256);

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    done_at INTEGER,
    place TEXT NOT NULL
) STRICT, WITHOUT ROWID;
