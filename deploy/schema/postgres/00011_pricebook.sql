-- +goose Up
-- Every content that a layer of the price book had: rows are never changed, n
-- counts up from 1 in each layer, and the highest is in force. content is the
-- layer's five tables as deflated JSON, and version is decided by it.
CREATE TABLE price_layers (
    org_id  TEXT COLLATE "C" NOT NULL,
    layer   TEXT COLLATE "C" NOT NULL,
    n       BIGINT NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    size    BIGINT NOT NULL,
    counts  TEXT   NOT NULL,
    note    TEXT   NOT NULL,
    content BYTEA  NOT NULL,
    PRIMARY KEY (org_id, layer, n)
);
CREATE INDEX price_layers_version ON price_layers (org_id, layer, version);

-- Which layers the book of an event was made of.
CREATE TABLE price_books (
    org_id     TEXT COLLATE "C" NOT NULL,
    version    TEXT COLLATE "C" NOT NULL,
    layers     TEXT   NOT NULL,
    first_used BIGINT NOT NULL,
    PRIMARY KEY (org_id, version)
);

-- What is known of the catalogues on the network that prices are read from.
CREATE TABLE price_feeds (
    org_id       TEXT COLLATE "C" NOT NULL,
    url          TEXT COLLATE "C" NOT NULL,
    shape        TEXT   NOT NULL,
    etag         TEXT   NOT NULL,
    digest       TEXT   NOT NULL,
    models       BIGINT NOT NULL,
    bytes        BIGINT NOT NULL,
    asked_at     BIGINT NOT NULL,
    read_at      BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    failure      TEXT   NOT NULL,
    failures     BIGINT NOT NULL,
    listing      BYTEA,
    PRIMARY KEY (org_id, url)
);

-- Changes that a catalogue asks for and that wait for a person, or had one.
-- conditions is JSON; a price that is NULL is none.
CREATE TABLE price_held (
    org_id     TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    feed       TEXT COLLATE "C" NOT NULL,
    provider   TEXT   NOT NULL,
    sku        TEXT   NOT NULL,
    meter      TEXT   NOT NULL,
    conditions TEXT   NOT NULL,
    old_price  TEXT,
    new_price  TEXT,
    per        BIGINT NOT NULL,
    reason     TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    decided_at BIGINT NOT NULL,
    decided_by TEXT   NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE INDEX price_held_feed ON price_held (org_id, feed);
CREATE INDEX price_held_seen ON price_held (org_id, first_seen, id);

-- +goose Down
DROP TABLE price_held;
DROP TABLE price_feeds;
DROP TABLE price_books;
DROP TABLE price_layers;
