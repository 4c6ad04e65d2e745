-- +goose Up
-- What a provider's own report divides usage by: the model that answered, where it
-- is not the one that was asked for; the service tier, where it is not the standard
-- one; the credential. details is 1 where the document says more of what the
-- provider bills than the columns do: other attempts, several models, quantities,
-- or classes of tokens that have no column.
ALTER TABLE events ADD COLUMN served TEXT COLLATE "C";
ALTER TABLE events ADD COLUMN tier TEXT COLLATE "C";
ALTER TABLE events ADD COLUMN credential TEXT COLLATE "C";
ALTER TABLE events ADD COLUMN details SMALLINT;

-- Comparisons with what a provider says of itself. n counts up from 1 for each
-- provider, and the highest is the latest; document is the report without the rows
-- that agree, where it is long.
CREATE TABLE reconciliations (
    org_id   TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    n        BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    first    BIGINT NOT NULL,
    past     BIGINT NOT NULL,
    verdict  TEXT COLLATE "C" NOT NULL,
    document BYTEA NOT NULL,
    PRIMARY KEY (org_id, provider, n)
);

-- +goose Down
DROP TABLE reconciliations;
ALTER TABLE events DROP COLUMN details;
ALTER TABLE events DROP COLUMN credential;
ALTER TABLE events DROP COLUMN tier;
ALTER TABLE events DROP COLUMN served;
