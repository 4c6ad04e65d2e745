-- +goose Up
-- A customer's own policies about usage; empty: the upstream's hold.
ALTER TABLE customers ADD COLUMN include_usage TEXT NOT NULL DEFAULT '';
ALTER TABLE customers ADD COLUMN missing_usage TEXT NOT NULL DEFAULT '';

-- Which event corrects which: the first has n 1. content is the hash of what the
-- usage was said to be, so that saying it twice corrects once.
CREATE TABLE corrections (
    org_id  TEXT   NOT NULL,
    event   BLOB   NOT NULL,
    n       BIGINT NOT NULL,
    id      BLOB   NOT NULL,
    content BLOB   NOT NULL,
    PRIMARY KEY (org_id, event, n)
);

-- +goose Down
DROP TABLE corrections;
ALTER TABLE customers DROP COLUMN missing_usage;
ALTER TABLE customers DROP COLUMN include_usage;
