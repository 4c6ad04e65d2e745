-- +goose Up
-- Journals belong to the installation, not to an organisation: one ships the
-- facts of all of them. num stands for the id in events, where 33 bytes would
-- be repeated.
CREATE TABLE journals (
    id          TEXT    NOT NULL PRIMARY KEY,
    num         INTEGER NOT NULL UNIQUE,
    epoch       BIGINT  NOT NULL,
    nonce       TEXT    NOT NULL,
    host        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    shipped_seq BIGINT  NOT NULL,
    watermark   BIGINT  NOT NULL,
    clean_at    BIGINT  NOT NULL,
    beaten_at   BIGINT  NOT NULL,
    lag         BIGINT  NOT NULL,
    sync_asked  BIGINT  NOT NULL,
    sync_done   BIGINT  NOT NULL,
    open_calls  TEXT    NOT NULL
);

-- What is queried or summed has a column, everything else is in the document.
-- A class of tokens that has none is NULL, and so is an unknown cost; picos are
-- what is beyond whole micro-dollars. A name, outcome or state that is NULL is the
-- usual one: llm-tokens, complete, exact, exact. A ref is 64 bits of the hash of a foreign id.
CREATE TABLE events (
    at           BIGINT   NOT NULL,
    seq          BIGINT   NOT NULL,
    input        BIGINT,
    cache_read   BIGINT,
    cache_write  BIGINT,
    output       BIGINT,
    reasoning    BIGINT,
    audio_input  BIGINT,
    audio_output BIGINT,
    image_input  BIGINT,
    image_output BIGINT,
    micros       BIGINT,
    provider_ref BIGINT,
    object_ref   BIGINT,
    client_ref   BIGINT,
    journal      INTEGER  NOT NULL,
    picos        INTEGER,
    status       SMALLINT NOT NULL,
    test         BOOLEAN  NOT NULL,
    metered      BOOLEAN  NOT NULL,
    raw          BOOLEAN  NOT NULL,
    id           BLOB     NOT NULL,
    customer     BLOB NOT NULL,
    key          BLOB NOT NULL,
    org_id       TEXT     NOT NULL,
    name         TEXT,
    provider     TEXT     NOT NULL,
    model        TEXT     NOT NULL,
    outcome      TEXT,
    usage_state  TEXT,
    cost_state   TEXT,
    tags         TEXT,
    document     BLOB     NOT NULL,
    PRIMARY KEY (org_id, id)
) WITHOUT ROWID;
CREATE INDEX events_customer ON events (org_id, customer, at);
CREATE INDEX events_provider_ref ON events (org_id, provider_ref) WHERE provider_ref IS NOT NULL;
CREATE INDEX events_object_ref ON events (org_id, object_ref) WHERE object_ref IS NOT NULL;
-- A client may use one id for everything, so the latest has to be found among many.
CREATE INDEX events_client_ref ON events (org_id, client_ref, id) WHERE client_ref IS NOT NULL;

-- External ids of reported events, which are unique in an organisation.
CREATE TABLE external_ids (
    org_id      TEXT  NOT NULL,
    external_id TEXT  NOT NULL,
    id          BLOB  NOT NULL,
    content     BLOB  NOT NULL,
    PRIMARY KEY (org_id, external_id)
) WITHOUT ROWID;

-- Sums of events by the hour of their authorisation; nanos are nano-dollars,
-- rounded up for each event, as the counters have them.
CREATE TABLE rollups (
    org_id       TEXT   NOT NULL,
    customer     BLOB NOT NULL,
    hour         BIGINT NOT NULL,
    key          BLOB NOT NULL,
    provider     TEXT   NOT NULL,
    model        TEXT   NOT NULL,
    test         BIGINT NOT NULL,
    requests     BIGINT NOT NULL,
    input        BIGINT NOT NULL,
    cache_read   BIGINT NOT NULL,
    cache_write  BIGINT NOT NULL,
    output       BIGINT NOT NULL,
    reasoning    BIGINT NOT NULL,
    audio_input  BIGINT NOT NULL,
    audio_output BIGINT NOT NULL,
    image_input  BIGINT NOT NULL,
    image_output BIGINT NOT NULL,
    micros       BIGINT NOT NULL,
    picos        BIGINT NOT NULL,
    nanos        BIGINT NOT NULL,
    estimated    BIGINT NOT NULL,
    unpriced     BIGINT NOT NULL,
    unmetered    BIGINT NOT NULL,
    PRIMARY KEY (org_id, customer, hour, key, provider, model, test)
) WITHOUT ROWID;
CREATE INDEX rollups_hour ON rollups (org_id, hour);

-- The last fact of each journal that the events of a customer include.
CREATE TABLE positions (
    org_id   TEXT   NOT NULL,
    customer BLOB NOT NULL,
    journal  TEXT   NOT NULL,
    seq      BIGINT NOT NULL,
    PRIMARY KEY (org_id, customer, journal)
) WITHOUT ROWID;

-- Facts that the database refused.
CREATE TABLE quarantine (
    org_id  TEXT   NOT NULL,
    journal TEXT   NOT NULL,
    seq     BIGINT NOT NULL,
    event   TEXT   NOT NULL,
    reason  TEXT   NOT NULL,
    record  BLOB   NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (org_id, journal, seq)
);

-- +goose Down
DROP TABLE quarantine;
DROP TABLE positions;
DROP TABLE rollups;
DROP TABLE external_ids;
DROP TABLE events;
DROP TABLE journals;
