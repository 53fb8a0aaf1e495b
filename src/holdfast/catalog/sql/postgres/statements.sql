-- Statements that PostgreSQL is asked in other words.

-- name: parent_add
INSERT INTO record_parents (account, record, parent)
VALUES (:account, (SELECT key FROM records WHERE account = :account AND type = :type AND id = :id),
    (SELECT key FROM records WHERE account = :account AND type = :parent_type AND id = :parent))
-- name: ancestors_add
INSERT INTO record_ancestors (record, ancestor, account, type)
WITH RECURSIVE above (start, record) AS (
    SELECT r.key, r.key FROM records r WHERE r.account = :account AND r.type = :type AND r.id = :id
    UNION SELECT above.start, p.parent FROM above JOIN record_parents p ON p.record = above.record
)
SELECT above.start, r.key, r.account, r.type FROM above JOIN records r ON r.key = above.record
-- name: ancestors_remove
DELETE FROM record_ancestors WHERE record IN (
    WITH RECURSIVE below (record) AS (
        SELECT :record::bigint UNION SELECT p.record FROM below JOIN record_parents p ON p.parent = below.record
    )
    SELECT record FROM below
)
-- name: ancestors_again
INSERT INTO record_ancestors (record, ancestor, account, type)
WITH RECURSIVE below (record) AS (
    SELECT :record::bigint UNION SELECT p.record FROM below JOIN record_parents p ON p.parent = below.record
), above (start, record) AS (
    SELECT record, record FROM below
    UNION SELECT above.start, p.parent FROM above JOIN record_parents p ON p.record = above.record
)
SELECT above.start, r.key, r.account, r.type FROM above JOIN records r ON r.key = above.record

-- name: attachment_add
WITH added AS (
    INSERT INTO attachments (account, id, number, name, description, media_type, size, sha256, version, revision,
        properties, folder, created_at, created_by, updated_at, updated_by, trashed_at, trashed, path, path_md5, folded,
        openings)
    VALUES (:account, :id, :number, :name, :description, :media_type, :size, :sha256, :version, :revision,
        :properties, :folder, :created_at, :created_by, :updated_at, :updated_by, :trashed_at, :trashed, :path,
        :path_md5, :folded, :openings)
    RETURNING key, account
), named AS (
    INSERT INTO attachment_names (account, piece, attachment)
    SELECT added.account, piece, added.key FROM added, unnest(:pieces::text[]) AS piece
)
INSERT INTO attachment_properties (account, word, attachment)
SELECT added.account, word, added.key FROM added, unnest(:words::bytea[]) AS word
-- name: attachment_save
UPDATE attachments SET name = :name, description = :description, media_type = :media_type, size = :size,
    sha256 = :sha256, version = :version, revision = :revision, properties = :properties, folder = :folder,
    created_by = :created_by, updated_at = :updated_at, updated_by = :updated_by, trashed_at = :trashed_at,
    trashed = :trashed, path = :path, path_md5 = :path_md5, folded = :folded, openings = :openings
WHERE key = :key
-- name: name_add
INSERT INTO attachment_names (account, piece, attachment)
SELECT :account::bigint, piece, :key::bigint FROM unnest(:pieces::text[]) AS piece
-- name: name_remove
DELETE FROM attachment_names WHERE piece = ANY (:pieces::text[]) AND attachment = :key
-- name: property_add
INSERT INTO attachment_properties (account, word, attachment)
SELECT :account::bigint, word, :key::bigint FROM unnest(:words::bytea[]) AS word
-- name: property_remove
DELETE FROM attachment_properties WHERE account = :account AND word = ANY (:words::bytea[]) AND attachment = :key

-- name: version_add
INSERT INTO versions (account, attachment, number, name, media_type, size, sha256, created_at, created_by)
VALUES (:account, (SELECT key FROM attachments WHERE account = :account AND id = :attachment),
    :number, :name, :media_type, :size, :sha256, :created_at, :created_by)

-- name: hold_by_sha256
SELECT count(*), (SELECT count(*) FROM renditions WHERE account = :owner AND blob = :blob)
FROM versions v JOIN attachments a ON a.key = v.attachment
WHERE v.sha256 = :sha256 AND a.account = :account

-- name: folder_add
INSERT INTO folders (account, path, created_at, created_by, parent, folded, openings, path_md5)
VALUES (:account, :path, :created_at, :created_by, :parent, :folded, :openings, path_md5(:path))
-- name: folder_move
UPDATE folders SET path = :target, parent = :parent, folded = :folded, openings = :openings,
    path_md5 = path_md5(:target)
WHERE account = :account AND path = :source
