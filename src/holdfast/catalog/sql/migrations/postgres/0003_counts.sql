-- What all processes of the installation count together: sign-ins that failed, and requests of those who may ask so often.

CREATE TABLE counts (
    key TEXT COLLATE "C" PRIMARY KEY,
    until BIGINT NOT NULL,
    used BIGINT NOT NULL
);
CREATE INDEX counts_over ON counts (until, key);
ALTER TABLE counts SET (fillfactor = 50);
