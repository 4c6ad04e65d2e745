-- +goose Up
-- Events whose cost is unknown or not certain, until it is: what is to be priced
-- again when prices change, and nothing else has to be looked through for it.
CREATE TABLE unsettled_costs (
    org_id TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL,
    event  UUID   NOT NULL,
    PRIMARY KEY (org_id, at, event)
);

-- How much of each pool of volume the settled events of a window have used.
CREATE TABLE price_pools (
    org_id  TEXT COLLATE "C" NOT NULL,
    pool    TEXT COLLATE "C" NOT NULL,
    since   BIGINT NOT NULL,
    units   BIGINT NOT NULL,
    picos   BIGINT NOT NULL,
    PRIMARY KEY (org_id, pool, since)
);

-- +goose Down
DROP TABLE price_pools;
DROP TABLE unsettled_costs;
