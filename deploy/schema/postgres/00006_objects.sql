-- +goose Up
-- Who has created what a provider keeps. Rows of what is deleted stay, so that
-- nobody becomes the owner of an id that was another's.
CREATE TABLE objects (
    org_id TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    object_id TEXT COLLATE "C" NOT NULL,
    customer   TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    event      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, provider, kind, object_id)
);
CREATE INDEX objects_items ON objects (created_at) WHERE kind = 'item';

-- +goose Down
DROP TABLE objects;
