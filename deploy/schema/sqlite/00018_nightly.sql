-- +goose Up
-- Comparisons that are made by themselves say of which day they are, its beginning,
-- and which look at it: 1 once the reports have settled, 2 a day later. There is one
-- of each; those that were asked for have neither.
ALTER TABLE reconciliations ADD COLUMN day BIGINT;
ALTER TABLE reconciliations ADD COLUMN look SMALLINT;
CREATE UNIQUE INDEX reconciliations_look ON reconciliations (org_id, provider, day, look);

-- How the comparisons of a provider went: the first day that they are about, the
-- last one that was compared, and what came of it; gap is the difference as a part
-- of what the provider says, empty where there is none. failures count in a row, and
-- nobody tries before not_before.
CREATE TABLE reconcile_nights (
    org_id       TEXT NOT NULL,
    provider     TEXT NOT NULL,
    since        BIGINT NOT NULL,
    tried_at     BIGINT NOT NULL,
    succeeded_at BIGINT NOT NULL,
    failures     BIGINT NOT NULL,
    failure      TEXT   NOT NULL,
    not_before   BIGINT NOT NULL,
    day          BIGINT NOT NULL,
    verdict      TEXT NOT NULL,
    gap          TEXT NOT NULL,
    PRIMARY KEY (org_id, provider)
);

-- +goose Down
DROP TABLE reconcile_nights;
DROP INDEX reconciliations_look;
ALTER TABLE reconciliations DROP COLUMN look;
ALTER TABLE reconciliations DROP COLUMN day;
