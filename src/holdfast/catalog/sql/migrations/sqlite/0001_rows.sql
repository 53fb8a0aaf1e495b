-- Attachments of an account are inserted in the order of their created_at and number, so their surrogate key stands
-- for both: newest first is `key DESC` in every index that ends with it.

CREATE TABLE accounts (
    number INTEGER PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    settings TEXT NOT NULL
) STRICT;

-- `changes` grows with every transaction that touched a row of the account: the exact key of cached totals.
CREATE TABLE ledgers (
    account INTEGER PRIMARY KEY,
    clock INTEGER NOT NULL,
    event INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    attachments INTEGER NOT NULL,
    numbers TEXT NOT NULL,
    changes INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE users (
    key INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    permissions TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    disabled INTEGER NOT NULL
) STRICT;
CREATE INDEX users_listed ON users (account, email);

CREATE TABLE clients (
    key INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    secret_sha256 BLOB NOT NULL,
    permissions TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX clients_listed ON clients (account, name);

CREATE TABLE tokens (
    key INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    id TEXT NOT NULL,
    sha256 BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT,
    permissions TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX tokens_listed ON tokens (account, created_at, id);
CREATE INDEX tokens_of_owner ON tokens (account, owner, created_at, id) WHERE owner IS NOT NULL;

CREATE TABLE records (
    key INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    parents TEXT NOT NULL,
    state TEXT,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    UNIQUE (account, type, id)
) STRICT;
CREATE INDEX records_created ON records (account, created_at, type, id);
CREATE INDEX records_of_type ON records (account, type, created_at, id);

CREATE TABLE record_parents (
    record INTEGER NOT NULL REFERENCES records (key) ON DELETE CASCADE,
    parent INTEGER NOT NULL REFERENCES records (key),
    PRIMARY KEY (parent, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_parents_up ON record_parents (record, parent);

-- Every record with itself and all above it, through any parent.
CREATE TABLE record_ancestors (
    record INTEGER NOT NULL REFERENCES records (key) ON DELETE CASCADE,
    ancestor INTEGER NOT NULL REFERENCES records (key) ON DELETE CASCADE,
    account INTEGER NOT NULL,
    type TEXT NOT NULL,
    PRIMARY KEY (record, ancestor)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_ancestors_down ON record_ancestors (ancestor, record);
CREATE INDEX record_ancestors_typed ON record_ancestors (account, type, record);

-- `folded` is the name as searches compare it; `path_md5` the hex MD5 of the path in UTF-8.
CREATE TABLE attachments (
    key INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    version INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    properties TEXT NOT NULL,
    folder TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    trashed_at INTEGER,
    trashed INTEGER NOT NULL,
    path TEXT,
    path_md5 TEXT,
    folded TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX attachments_id ON attachments (account, id);
CREATE INDEX attachments_listed ON attachments (account, trashed);
CREATE INDEX attachments_created ON attachments (account, created_at);
CREATE INDEX attachments_number ON attachments (account, number);
CREATE INDEX attachments_updated ON attachments (account, trashed, updated_at);
CREATE INDEX attachments_name ON attachments (account, trashed, name);
CREATE INDEX attachments_sha256 ON attachments (account, sha256);
CREATE UNIQUE INDEX attachments_path ON attachments (account, path) WHERE trashed = 0 AND path IS NOT NULL;
CREATE INDEX attachments_path_md5 ON attachments (account, path_md5) WHERE path_md5 IS NOT NULL;
CREATE INDEX attachments_folder ON attachments (account, folder, trashed, path) WHERE folder IS NOT NULL;

-- Scalars of the properties, nested keys joined by dots; true and false are the blobs 01 and 00, apart from numbers.
CREATE TABLE attachment_properties (
    account INTEGER NOT NULL,
    name TEXT NOT NULL,
    value ANY NOT NULL,
    attachment INTEGER NOT NULL,
    PRIMARY KEY (account, name, value, attachment)
) STRICT, WITHOUT ROWID;

-- One row for each name, rowid the attachment's key. Its words are made by the adapter: pieces of the folded name,
-- each behind the account's number, so that an account never meets another's names.
CREATE VIRTUAL TABLE attachment_names USING fts5 (
    pieces, content='', contentless_delete=1, detail='none', tokenize='ascii'
);

CREATE TABLE versions (
    attachment INTEGER NOT NULL REFERENCES attachments (key) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (attachment, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
    account INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    locator TEXT NOT NULL,
    refs INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    idle_since INTEGER,
    PRIMARY KEY (account, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_idle ON blobs (account, idle_since) WHERE idle_since IS NOT NULL;

-- `type` and `trashed` repeat the record's and the attachment's, so that lists stream from one index.
CREATE TABLE links (
    key INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    id TEXT NOT NULL,
    attachment INTEGER NOT NULL REFERENCES attachments (key) ON DELETE CASCADE,
    record INTEGER NOT NULL REFERENCES records (key) ON DELETE CASCADE,
    type TEXT NOT NULL,
    role TEXT NOT NULL,
    position INTEGER NOT NULL,
    caption TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    trashed INTEGER NOT NULL,
    UNIQUE (account, id),
    UNIQUE (attachment, record, role)
) STRICT;
CREATE INDEX links_listed ON links (record, trashed, attachment, role);
CREATE INDEX links_ordered ON links (record, position, created_at, id);
CREATE INDEX links_typed ON links (account, type, trashed, attachment);

CREATE TABLE folders (
    key INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    path TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    parent TEXT NOT NULL,
    folded TEXT NOT NULL,
    path_md5 TEXT NOT NULL,
    UNIQUE (account, path)
) STRICT;
CREATE INDEX folders_within ON folders (account, parent, path);
CREATE INDEX folders_path_md5 ON folders (account, path_md5);

CREATE TABLE events (
    account INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;
