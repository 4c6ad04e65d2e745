-- +goose Up
-- Every content that a layer of the price book had: rows are never changed, n
-- counts up from 1 in each layer, and the highest is in force. content is the
-- layer's five tables as deflated JSON, and version is decided by it.
CREATE TABLE price_layers (
    org_id  TEXT NOT NULL,
    layer   TEXT NOT NULL,
    n       BIGINT NOT NULL,
    version TEXT NOT NULL,
    at      BIGINT NOT NULL,
    size    BIGINT NOT NULL,
    counts  TEXT   NOT NULL,
    note    TEXT   NOT NULL,
    content BLOB   NOT NULL,
    PRIMARY KEY (org_id, layer, n)
);
CREATE INDEX price_layers_version ON price_layers (org_id, layer, version);

-- Which layers the book of an event was made of.
CREATE TABLE price_books (
    org_id     TEXT NOT NULL,
    version    TEXT NOT NULL,
    layers     TEXT   NOT NULL,
    first_used BIGINT NOT NULL,
    PRIMARY KEY (org_id, version)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE price_books;
DROP TABLE price_layers;
