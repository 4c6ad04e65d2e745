-- +goose Up
-- Work of providers whose usage is not known yet: batches, background responses.
-- Rows stay when they are done, so that an object is never followed twice.
CREATE TABLE deferred (
    org_id       TEXT   NOT NULL,
    provider     TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    object_id    TEXT   NOT NULL,
    customer     TEXT   NOT NULL,
    call         TEXT   NOT NULL,
    path         TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    due_at       BIGINT NOT NULL,
    tries        BIGINT NOT NULL,
    error        TEXT   NOT NULL,
    done_at      BIGINT NOT NULL,
    fence        BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    PRIMARY KEY (org_id, provider, kind, object_id)
);
CREATE INDEX deferred_due ON deferred (due_at) WHERE state = 'open';

-- +goose Down
DROP TABLE deferred;
