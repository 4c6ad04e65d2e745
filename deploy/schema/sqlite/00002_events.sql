-- +goose Up
-- Journals belong to the installation, not to an organisation: one ships the
-- facts of all of them.
CREATE TABLE journals (
    id         TEXT   NOT NULL PRIMARY KEY,
    epoch      BIGINT NOT NULL,
    nonce      TEXT   NOT NULL,
    host       TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    shipped    BIGINT NOT NULL,
    watermark  BIGINT NOT NULL,
    clean_at   BIGINT NOT NULL,
    beaten_at  BIGINT NOT NULL,
    lag        BIGINT NOT NULL,
    sync_asked BIGINT NOT NULL,
    sync_done  BIGINT NOT NULL,
    open_calls TEXT   NOT NULL
);

CREATE TABLE events (
    org         TEXT   NOT NULL,
    id          BLOB NOT NULL,
    customer    TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    key         TEXT   NOT NULL,
    model       TEXT   NOT NULL,
    outcome     TEXT   NOT NULL,
    journal     TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    document    TEXT   NOT NULL,
    PRIMARY KEY (org, id)
) WITHOUT ROWID;
CREATE INDEX events_customer ON events (org, customer, at);

-- Other names of an event, the provider's ids and the client's, as 64-bit hashes.
CREATE TABLE event_refs (
    org TEXT   NOT NULL,
    ref BIGINT NOT NULL,
    id  BLOB NOT NULL,
    PRIMARY KEY (org, ref, id)
) WITHOUT ROWID;

-- External ids of reported events, which are unique in an organisation.
CREATE TABLE external_ids (
    org         TEXT   NOT NULL,
    external_id TEXT   NOT NULL,
    id          BLOB NOT NULL,
    content     BLOB NOT NULL,
    PRIMARY KEY (org, external_id)
);

CREATE TABLE rollups (
    org           TEXT   NOT NULL,
    customer      TEXT   NOT NULL,
    hour          BIGINT NOT NULL,
    key           TEXT   NOT NULL,
    model         TEXT   NOT NULL,
    provider      TEXT   NOT NULL,
    test          BIGINT NOT NULL,
    requests      BIGINT NOT NULL,
    input         BIGINT NOT NULL,
    cache_read    BIGINT NOT NULL,
    cache_write   BIGINT NOT NULL,
    output        BIGINT NOT NULL,
    reasoning     BIGINT NOT NULL,
    audio_input   BIGINT NOT NULL,
    audio_output  BIGINT NOT NULL,
    image_input   BIGINT NOT NULL,
    image_output  BIGINT NOT NULL,
    input_tokens  BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    micros        BIGINT NOT NULL,
    picos         BIGINT NOT NULL,
    estimated     BIGINT NOT NULL,
    unpriced      BIGINT NOT NULL,
    unmetered     BIGINT NOT NULL,
    PRIMARY KEY (org, customer, hour, key, model, provider, test)
);
CREATE INDEX rollups_hour ON rollups (org, hour);

-- The last fact of each journal that the events of a customer include.
CREATE TABLE positions (
    org      TEXT   NOT NULL,
    customer TEXT   NOT NULL,
    journal  TEXT   NOT NULL,
    seq      BIGINT NOT NULL,
    PRIMARY KEY (org, customer, journal)
);

-- Facts that the database refused.
CREATE TABLE quarantine (
    org     TEXT   NOT NULL,
    journal TEXT   NOT NULL,
    seq     BIGINT NOT NULL,
    event   TEXT   NOT NULL,
    reason  TEXT   NOT NULL,
    record  BLOB NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (org, journal, seq)
);

-- +goose Down
DROP TABLE quarantine;
DROP TABLE positions;
DROP TABLE rollups;
DROP TABLE external_ids;
DROP TABLE event_refs;
DROP TABLE events;
DROP TABLE journals;
