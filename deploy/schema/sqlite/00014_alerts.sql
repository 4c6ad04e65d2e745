-- +goose Up
-- What people should know of: one row for each condition, which begins anew when
-- it comes back. ended_at is 0 while it is open.
CREATE TABLE alerts (
    org_id   TEXT   NOT NULL,
    kind     TEXT   NOT NULL,
    subject  TEXT   NOT NULL,
    severity TEXT   NOT NULL,
    detail   TEXT   NOT NULL,
    since    BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, kind, subject)
);

-- +goose Down
DROP TABLE alerts;
