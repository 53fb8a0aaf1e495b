-- Small pictures and facts of contents, shared by all attachments that hold the same bytes. A row without `blob` says
-- that there is no picture for good.

CREATE TABLE renditions (
    account INTEGER NOT NULL,
    source BLOB NOT NULL,
    edge INTEGER NOT NULL,
    blob BLOB,
    reason TEXT,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (account, source, edge)
) STRICT, WITHOUT ROWID;
CREATE INDEX renditions_of_blob ON renditions (account, blob) WHERE blob IS NOT NULL;

CREATE TABLE media_facts (
    account INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    width INTEGER,
    height INTEGER,
    pages INTEGER,
    captured TEXT,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (account, sha256)
) STRICT, WITHOUT ROWID;
