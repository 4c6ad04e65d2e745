-- +goose Up
CREATE TABLE meters (
    org_id         TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    filter      TEXT   NOT NULL,
    func        TEXT   NOT NULL,
    property    TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    archived_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX meters_name ON meters (org_id, name);
INSERT INTO meters (org_id, id, name, filter, func, property, created_at, archived_at)
VALUES ('default', '00000000-0000-7000-8000-000000000001', 'llm-tokens',
        '{"conjunction":"and","clauses":[{"property":"name","operator":"eq","value":"llm-tokens"}]}', 'sum', 'totalTokens', 1735689600000000, 0);

-- Numbers are in two columns, units + picos / 1e12. A sum has a third, in units
-- of 1e18, because each number may itself be as large as a column.
CREATE TABLE meter_rollups (
    org_id       TEXT   NOT NULL,
    meter     TEXT   NOT NULL,
    customer  TEXT   NOT NULL,
    hour      BIGINT NOT NULL,
    test      BIGINT NOT NULL,
    events    BIGINT NOT NULL,
    sum_high  BIGINT NOT NULL,
    sum_units BIGINT NOT NULL,
    sum_picos BIGINT NOT NULL,
    min_units BIGINT NOT NULL,
    min_picos BIGINT NOT NULL,
    max_units BIGINT NOT NULL,
    max_picos BIGINT NOT NULL,
    PRIMARY KEY (org_id, meter, customer, hour, test)
);
CREATE INDEX meter_rollups_hour ON meter_rollups (org_id, meter, hour);

-- The values that a meter of unique values saw, by hour, so that any span of
-- whole hours can be counted.
CREATE TABLE meter_values (
    org_id      TEXT   NOT NULL,
    meter    TEXT   NOT NULL,
    customer TEXT   NOT NULL,
    hour     BIGINT NOT NULL,
    test     BIGINT NOT NULL,
    value    BYTEA NOT NULL,
    PRIMARY KEY (org_id, meter, customer, hour, test, value)
);
CREATE INDEX meter_values_hour ON meter_values (org_id, meter, hour);

-- +goose Down
DROP TABLE meter_values;
DROP TABLE meter_rollups;
DROP TABLE meters;
