-- Statements shared by the adapters. Parameters are bound by position: their names say what stands there.
-- Columns come in the order of the struct's fields. Inserts on the hot path are of the form VALUES without RETURNING:
-- the other forms make SQLite copy every page they touch, in case the statement has to be undone.

-- name: account_by_number
SELECT number, slug, created_at, settings FROM accounts WHERE number = :number
-- name: account_by_slug
SELECT number, slug, created_at, settings FROM accounts WHERE slug = :slug
-- name: account_add
INSERT INTO accounts (number, slug, created_at, settings) VALUES (:number, :slug, :created_at, :settings)
-- name: account_save
UPDATE accounts SET slug = :slug, created_at = :created_at, settings = :settings WHERE number = :number
-- name: account_remove
DELETE FROM accounts WHERE number = :number

-- name: ledger_by_account
SELECT account, clock, event, bytes, attachments, numbers FROM ledgers WHERE account = :account
-- name: ledger_changes
SELECT changes FROM ledgers WHERE account = :account
-- name: ledger_touch
UPDATE ledgers SET changes = changes + 1 WHERE account = :account
-- name: ledger_add
INSERT INTO ledgers (account, clock, event, bytes, attachments, numbers)
VALUES (:account, :clock, :event, :bytes, :attachments, :numbers)
-- name: ledger_save
UPDATE ledgers SET clock = :clock, event = :event, bytes = :bytes, attachments = :attachments, numbers = :numbers,
    changes = changes + 1
WHERE account = :account
-- name: ledger_remove
DELETE FROM ledgers WHERE account = :account

-- name: user_by_email
SELECT account, id, email, name, password_hash, permissions, scopes, created_at, disabled FROM users
WHERE email = :email
-- name: user_by_id
SELECT account, id, email, name, password_hash, permissions, scopes, created_at, disabled FROM users WHERE id = :id
-- name: user_add
INSERT INTO users (account, id, email, name, password_hash, permissions, scopes, created_at, disabled)
VALUES (:account, :id, :email, :name, :password_hash, :permissions, :scopes, :created_at, :disabled)
-- name: user_save
UPDATE users SET email = :email, name = :name, password_hash = :password_hash, permissions = :permissions,
    scopes = :scopes, created_at = :created_at, disabled = :disabled
WHERE account = :account AND id = :id
-- name: user_remove
DELETE FROM users WHERE account = :account AND id = :id

-- name: client_by_id
SELECT account, id, name, secret_sha256, permissions, scopes, created_at FROM clients WHERE id = :id
-- name: client_by_name
SELECT account, id, name, secret_sha256, permissions, scopes, created_at FROM clients WHERE name = :name
-- name: client_add
INSERT INTO clients (account, id, name, secret_sha256, permissions, scopes, created_at)
VALUES (:account, :id, :name, :secret_sha256, :permissions, :scopes, :created_at)
-- name: client_save
UPDATE clients SET name = :name, secret_sha256 = :secret_sha256, permissions = :permissions, scopes = :scopes,
    created_at = :created_at
WHERE account = :account AND id = :id
-- name: client_remove
DELETE FROM clients WHERE account = :account AND id = :id

-- name: token_by_sha256
SELECT account, id, sha256, kind, name, owner, permissions, scopes, created_at, expires_at FROM tokens
WHERE sha256 = :sha256
-- name: token_add
INSERT INTO tokens (account, id, sha256, kind, name, owner, permissions, scopes, created_at, expires_at)
VALUES (:account, :id, :sha256, :kind, :name, :owner, :permissions, :scopes, :created_at, :expires_at)
-- name: token_save
UPDATE tokens SET id = :id, kind = :kind, name = :name, owner = :owner, permissions = :permissions, scopes = :scopes,
    created_at = :created_at, expires_at = :expires_at
WHERE account = :account AND sha256 = :sha256
-- name: token_remove
DELETE FROM tokens WHERE account = :account AND sha256 = :sha256

-- name: record_by_ref
SELECT account, type, id, number, attributes, parents, state, revision, created_at, created_by, updated_at, updated_by
FROM records WHERE account = :account AND type = :type AND id = :id
-- name: record_key
SELECT key, parents FROM records WHERE account = :account AND type = :type AND id = :id
-- name: record_add
INSERT INTO records (account, type, id, number, attributes, parents, state, revision, created_at, created_by,
    updated_at, updated_by)
VALUES (:account, :type, :id, :number, :attributes, :parents, :state, :revision, :created_at, :created_by,
    :updated_at, :updated_by)
-- name: record_save
UPDATE records SET number = :number, attributes = :attributes, parents = :parents, state = :state,
    revision = :revision, created_at = :created_at, created_by = :created_by, updated_at = :updated_at,
    updated_by = :updated_by
WHERE key = :key
-- name: record_remove
DELETE FROM records WHERE account = :account AND type = :type AND id = :id
-- name: parent_add
INSERT INTO record_parents (record, parent) VALUES (:record, :parent)
-- name: parents_remove
DELETE FROM record_parents WHERE record = :record
-- name: descendants
WITH RECURSIVE below (record) AS (
    SELECT :record UNION SELECT p.record FROM below JOIN record_parents p ON p.parent = below.record
)
SELECT record FROM below
-- name: ancestors_remove
DELETE FROM record_ancestors WHERE record = :record
-- name: ancestors_add
INSERT INTO record_ancestors (record, ancestor, account, type)
WITH RECURSIVE above (start, record) AS (
    SELECT r.key, r.key FROM records r WHERE r.key = :record
    UNION SELECT above.start, p.parent FROM above JOIN record_parents p ON p.record = above.record
)
SELECT above.start, r.key, r.account, r.type FROM above JOIN records r ON r.key = above.record

-- name: attachment_by_id
SELECT account, id, number, name, description, media_type, size, sha256, version, revision, properties, folder,
    created_at, created_by, updated_at, updated_by, trashed_at
FROM attachments WHERE account = :account AND id = :id
-- name: attachment_by_path
SELECT account, id, number, name, description, media_type, size, sha256, version, revision, properties, folder,
    created_at, created_by, updated_at, updated_by, trashed_at
FROM attachments WHERE account = :account AND path = :path AND trashed = 0
-- name: attachment_state
SELECT key, name, properties, trashed FROM attachments WHERE account = :account AND id = :id
-- name: attachment_add
INSERT INTO attachments (account, id, number, name, description, media_type, size, sha256, version, revision,
    properties, folder, created_at, created_by, updated_at, updated_by, trashed_at, trashed, path, path_md5, folded)
VALUES (:account, :id, :number, :name, :description, :media_type, :size, :sha256, :version, :revision,
    :properties, :folder, :created_at, :created_by, :updated_at, :updated_by, :trashed_at, :trashed, :path, :path_md5,
    :folded)
-- name: attachment_save
UPDATE attachments SET name = :name, description = :description, media_type = :media_type, size = :size,
    sha256 = :sha256, version = :version, revision = :revision, properties = :properties, folder = :folder,
    created_by = :created_by, updated_at = :updated_at, updated_by = :updated_by, trashed_at = :trashed_at,
    trashed = :trashed, path = :path, path_md5 = :path_md5, folded = :folded
WHERE key = :key
-- name: attachment_remove
DELETE FROM attachments WHERE key = :key
-- name: name_add
INSERT INTO attachment_names (rowid, pieces) VALUES (:key, :pieces)
-- name: names_reach
SELECT rowid FROM attachment_names WHERE attachment_names MATCH :piece ORDER BY rowid DESC LIMIT 1 OFFSET :skip
-- name: name_remove
DELETE FROM attachment_names WHERE rowid = :key
-- name: property_add
INSERT INTO attachment_properties (account, name, value, attachment) VALUES (:account, :name, :value, :attachment)
-- name: property_remove
DELETE FROM attachment_properties
WHERE account = :account AND name = :name AND value = :value AND attachment = :attachment

-- name: version_by_number
SELECT a.account, a.id, v.number, v.name, v.media_type, v.size, v.sha256, v.created_at, v.created_by
FROM attachments a JOIN versions v ON v.attachment = a.key
WHERE a.account = :account AND a.id = :attachment AND v.number = :number
-- name: version_add
INSERT INTO versions (attachment, number, name, media_type, size, sha256, created_at, created_by)
VALUES ((SELECT key FROM attachments WHERE account = :account AND id = :attachment),
    :number, :name, :media_type, :size, :sha256, :created_at, :created_by)
-- name: version_save
UPDATE versions SET name = :name, media_type = :media_type, size = :size, sha256 = :sha256,
    created_at = :created_at, created_by = :created_by
WHERE number = :number
    AND attachment = (SELECT key FROM attachments WHERE account = :account AND id = :attachment)
-- name: version_remove
DELETE FROM versions
WHERE number = :number
    AND attachment = (SELECT key FROM attachments WHERE account = :account AND id = :attachment)

-- name: blob_by_sha256
SELECT account, sha256, size, locator, refs, created_at, idle_since, damaged_at FROM blobs
WHERE account = :account AND sha256 = :sha256
-- name: blob_by_locator
SELECT account, sha256, size, locator, refs, created_at, idle_since, damaged_at FROM blobs WHERE locator = :locator
-- Left to itself, SQLite walks all attachments of the account instead of the few versions of the digest.
-- name: hold_by_sha256
SELECT count(*), (SELECT count(*) FROM renditions WHERE account = :owner AND blob = :blob)
FROM versions v CROSS JOIN attachments a ON a.key = v.attachment
WHERE v.sha256 = :sha256 AND a.account = :account
-- name: blob_add
INSERT INTO blobs (account, sha256, size, locator, refs, created_at, idle_since, damaged_at)
VALUES (:account, :sha256, :size, :locator, :refs, :created_at, :idle_since, :damaged_at)
-- name: blob_save
UPDATE blobs SET size = :size, locator = :locator, refs = :refs, created_at = :created_at, idle_since = :idle_since,
    damaged_at = :damaged_at
WHERE account = :account AND sha256 = :sha256
-- name: blob_remove
DELETE FROM blobs WHERE account = :account AND sha256 = :sha256

-- name: rendition_by_key
SELECT account, source, edge, blob, reason, made_at FROM renditions
WHERE account = :account AND source = :source AND edge = :edge
-- name: rendition_add
INSERT INTO renditions (account, source, edge, blob, reason, made_at)
VALUES (:account, :source, :edge, :blob, :reason, :made_at)
-- name: rendition_save
UPDATE renditions SET blob = :blob, reason = :reason, made_at = :made_at
WHERE account = :account AND source = :source AND edge = :edge
-- name: rendition_remove
DELETE FROM renditions WHERE account = :account AND source = :source AND edge = :edge

-- name: facts_add
INSERT INTO media_facts (account, sha256, width, height, pages, captured, made_at)
VALUES (:account, :sha256, :width, :height, :pages, :captured, :made_at)
-- name: facts_save
UPDATE media_facts SET width = :width, height = :height, pages = :pages, captured = :captured, made_at = :made_at
WHERE account = :account AND sha256 = :sha256
-- name: facts_remove
DELETE FROM media_facts WHERE account = :account AND sha256 = :sha256

-- name: link_by_id
SELECT l.account, l.id, a.id, r.type, r.id, l.role, l.position, l.caption, l.created_at, l.created_by
FROM links l JOIN attachments a ON a.key = l.attachment JOIN records r ON r.key = l.record
WHERE l.account = :account AND l.id = :id
-- name: link_add
INSERT INTO links (account, id, role, position, caption, created_at, created_by, attachment, trashed, type, record)
VALUES (:account, :id, :role, :position, :caption, :created_at, :created_by,
    (SELECT key FROM attachments WHERE account = :account AND id = :attachment),
    (SELECT trashed FROM attachments WHERE account = :account AND id = :attachment),
    :type, (SELECT key FROM records WHERE account = :account AND type = :type AND id = :record))
-- name: link_save
UPDATE links SET role = :role, position = :position, caption = :caption, created_at = :created_at,
    created_by = :created_by, attachment = a.key, trashed = a.trashed, record = r.key, type = r.type
FROM attachments a JOIN records r ON r.account = a.account
WHERE links.account = :account AND links.id = :id AND a.account = :owner AND a.id = :attachment AND r.type = :type
    AND r.id = :record
-- name: link_remove
DELETE FROM links WHERE account = :account AND id = :id
-- name: links_trashed
UPDATE links SET trashed = :trashed WHERE attachment = :attachment

-- name: folder_by_path
SELECT account, path, created_at, created_by FROM folders WHERE account = :account AND path = :path
-- name: folder_add
INSERT INTO folders (account, path, created_at, created_by, parent, folded, path_md5)
VALUES (:account, :path, :created_at, :created_by, :parent, :folded, path_md5(:path))
-- name: folder_save
UPDATE folders SET created_at = :created_at, created_by = :created_by WHERE account = :account AND path = :path
-- name: folder_remove
DELETE FROM folders WHERE account = :account AND path = :path

-- name: event_add
INSERT INTO events (account, number, at, actor, kind, subject, data)
VALUES (:account, :number, :at, :actor, :kind, :subject, :data)
-- name: event_save
UPDATE events SET at = :at, actor = :actor, kind = :kind, subject = :subject, data = :data
WHERE account = :account AND number = :number
-- name: event_remove
DELETE FROM events WHERE account = :account AND number = :number

-- name: lease_by_name
SELECT name, holder, until, fence, done_at, place FROM leases WHERE name = :name
-- name: lease_add
INSERT INTO leases (name, holder, until, fence, done_at, place)
VALUES (:name, :holder, :until, :fence, :done_at, :place)
-- name: lease_save
UPDATE leases SET holder = :holder, until = :until, fence = :fence, done_at = :done_at, place = :place
WHERE name = :name
-- name: lease_remove
DELETE FROM leases WHERE name = :name

-- name: count_by_key
SELECT key, until, used FROM counts WHERE key = :key
-- name: count_add
INSERT INTO counts (key, until, used) VALUES (:key, :until, :used)
-- name: count_save
UPDATE counts SET until = :until, used = :used WHERE key = :key
-- name: count_remove
DELETE FROM counts WHERE key = :key

-- name: figures
SELECT
    (SELECT CAST(coalesce(sum(v.size), 0) AS BIGINT) FROM attachments a JOIN versions v ON v.attachment = a.key WHERE a.account = :own),
    (SELECT count(*) FROM attachments WHERE account = :live AND trashed = 0),
    (SELECT count(*) FROM blobs WHERE account = :held),
    (SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM blobs WHERE account = :stored)

-- name: folder_move
UPDATE folders SET path = :target, parent = :parent, folded = :folded, path_md5 = path_md5(:target)
WHERE account = :account AND path = :source
-- name: folders_below_move
UPDATE folders SET path = :target || substr(path, CAST(:skip AS INTEGER)), parent = :target || substr(parent, CAST(:skip AS INTEGER)),
    path_md5 = path_md5(:target || substr(path, CAST(:skip AS INTEGER)))
WHERE account = :account AND path >= :first AND path < :end
-- name: attachments_in_move
UPDATE attachments SET folder = :target, path = :target || substr(path, CAST(:skip AS INTEGER)),
    path_md5 = path_md5(:target || substr(path, CAST(:skip AS INTEGER))),
    revision = revision + 1, updated_at = :at, updated_by = :actor
WHERE account = :account AND folder = :source
-- name: attachments_below_move
UPDATE attachments SET folder = :target || substr(folder, CAST(:skip AS INTEGER)), path = :target || substr(path, CAST(:skip AS INTEGER)),
    path_md5 = path_md5(:target || substr(path, CAST(:skip AS INTEGER))),
    revision = revision + 1, updated_at = :at, updated_by = :actor
WHERE account = :account AND folder >= :first AND folder < :end

-- name: standing
SELECT key, path FROM attachments WHERE account = :account AND id = :attachment
-- name: record_exists
SELECT 1 FROM records WHERE account = :account AND type = :type AND id = :id

-- name: answer_by_key
SELECT account, actor, key, fingerprint, status, headers, body, created_at FROM answers
WHERE account = :account AND actor = :actor AND key = :key
-- name: answer_add
INSERT INTO answers (account, actor, key, fingerprint, status, headers, body, created_at)
VALUES (:account, :actor, :key, :fingerprint, :status, :headers, :body, :created_at)
-- name: answer_save
UPDATE answers SET fingerprint = :fingerprint, status = :status, headers = :headers, body = :body,
    created_at = :created_at
WHERE account = :account AND actor = :actor AND key = :key
-- name: answer_remove
DELETE FROM answers WHERE account = :account AND actor = :actor AND key = :key
