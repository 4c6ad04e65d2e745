-- +goose Up
-- What providers state that calls cost beside what the price book says, by the
-- hour: written with the events, from which it can be added up again.
CREATE TABLE stated_costs (
    org_id          TEXT NOT NULL,
    hour            BIGINT NOT NULL,
    provider        TEXT NOT NULL,
    upstream        TEXT NOT NULL,
    model           TEXT NOT NULL,
    calls           BIGINT NOT NULL,
    compared        BIGINT NOT NULL,
    differing       BIGINT NOT NULL,
    rounded         BIGINT NOT NULL,
    unpriced        BIGINT NOT NULL,
    invalid         BIGINT NOT NULL,
    own_key         BIGINT NOT NULL,
    stated_micros   BIGINT NOT NULL,
    stated_picos    BIGINT NOT NULL,
    compared_micros BIGINT NOT NULL,
    compared_picos  BIGINT NOT NULL,
    computed_micros BIGINT NOT NULL,
    computed_picos  BIGINT NOT NULL,
    vendor_micros   BIGINT NOT NULL,
    vendor_picos    BIGINT NOT NULL,
    PRIMARY KEY (org_id, hour, provider, upstream, model)
);

-- Events from this instant on are in stated_costs, and so are their corrections;
-- earlier ones were written before there was the table, and stay out of it whole.
CREATE TABLE stated_costs_from (
    at BIGINT NOT NULL
);
INSERT INTO stated_costs_from (at) SELECT COALESCE(MAX(hour) + 3600000000, 0) FROM rollups;

-- +goose Down
DROP TABLE stated_costs_from;
DROP TABLE stated_costs;
