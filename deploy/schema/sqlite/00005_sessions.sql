-- +goose Up
CREATE TABLE admins (
    org_id        TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    email         TEXT   NOT NULL,
    password_hash TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    archived_at   BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX admins_email ON admins (org_id, email);

-- Signed-in browsers and one-use links, which become one.
CREATE TABLE sessions (
    org_id     TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    hash       BLOB   NOT NULL,
    link       BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX sessions_hash ON sessions (hash);
CREATE INDEX sessions_age ON sessions (expires_at);

CREATE TABLE login_failures (
    org_id TEXT   NOT NULL,
    email  TEXT   NOT NULL,
    id     TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (org_id, email, id)
);

-- +goose Down
DROP TABLE login_failures;
DROP TABLE sessions;
DROP TABLE admins;
