-- What creates under an idempotency key were answered, for a day.
CREATE TABLE answers (
    account INTEGER NOT NULL,
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (account, actor, key)
) STRICT;
CREATE INDEX answers_listed ON answers (account, created_at, actor, key);
