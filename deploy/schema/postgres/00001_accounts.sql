-- +goose Up
CREATE TABLE orgs (
    org_id        TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO orgs (org_id, name, created_at) VALUES ('default', 'Default organisation', 0);

CREATE TABLE customers (
    org_id         TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    external_id TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    on_loss     TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    archived_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX customers_external ON customers (org_id, external_id);

-- The id of each customer by its external id, from the first mention on: events
-- may be reported for a customer before it is made.
CREATE TABLE reserved_customers (
    org_id         TEXT NOT NULL,
    external_id TEXT NOT NULL,
    id          TEXT NOT NULL,
    PRIMARY KEY (org_id, external_id)
);

CREATE TABLE keys (
    org_id         TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    customer    TEXT   NOT NULL,
    hash        BYTEA NOT NULL,
    document    TEXT   NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE INDEX keys_customer ON keys (org_id, customer, id);
CREATE UNIQUE INDEX keys_hash ON keys (hash);

CREATE TABLE tokens (
    org_id          TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    hash         BYTEA NOT NULL,
    document     TEXT   NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);

-- Answers to requests with an Idempotency-Key; the first of a key stands.
CREATE TABLE answers (
    org_id        TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    hash       BYTEA NOT NULL,
    status     BIGINT NOT NULL,
    body       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, name)
);
CREATE INDEX answers_age ON answers (created_at);

-- One row of the installation: it moves with every change of a key or customer.
CREATE TABLE keyring (
    one     BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO keyring (one, version) VALUES (1, 1);

-- +goose Down
DROP TABLE keyring;
DROP TABLE answers;
DROP TABLE tokens;
DROP TABLE keys;
DROP TABLE reserved_customers;
DROP TABLE customers;
DROP TABLE orgs;
