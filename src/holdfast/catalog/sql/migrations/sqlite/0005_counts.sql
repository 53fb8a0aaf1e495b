-- What all processes of the installation count together: sign-ins that failed, and requests of those who may ask so often.

CREATE TABLE counts (
    key TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX counts_over ON counts (until, key);
