-- +goose Up
CREATE TABLE products (
    org_id      TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    months      BIGINT NOT NULL,
    trial_days  BIGINT NOT NULL,
    trial_usage TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    archived_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX products_name ON products (org_id, name);

-- Versions of prices; a row never changes. Numbers are units + picos / 1e12.
CREATE TABLE prices (
    org_id         TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    product        TEXT   NOT NULL,
    meter          TEXT   NOT NULL,
    model          TEXT   NOT NULL,
    currency       TEXT   NOT NULL,
    amount_units   BIGINT NOT NULL,
    amount_picos   BIGINT NOT NULL,
    per            BIGINT NOT NULL,
    included_units BIGINT NOT NULL,
    included_picos BIGINT NOT NULL,
    from_at        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX prices_version ON prices (org_id, product, meter, from_at);

-- version moves with every change, so that whoever read a subscription can tell
-- whether it is still the one that was read.
CREATE TABLE subscriptions (
    org_id      TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    customer    TEXT   NOT NULL,
    currency    TEXT   NOT NULL,
    anchor      TEXT   NOT NULL,
    zone        TEXT   NOT NULL,
    months      BIGINT NOT NULL,
    start_at    BIGINT NOT NULL,
    trial_end   BIGINT NOT NULL,
    trial_usage TEXT   NOT NULL,
    end_at      BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE INDEX subscriptions_customer ON subscriptions (org_id, customer, id);

-- Which product holds from when.
CREATE TABLE phases (
    org_id       TEXT   NOT NULL,
    subscription TEXT   NOT NULL,
    from_at      BIGINT NOT NULL,
    product      TEXT   NOT NULL,
    PRIMARY KEY (org_id, subscription, from_at)
);
CREATE INDEX phases_product ON phases (org_id, product);

-- Instants as they were when the period was opened.
CREATE TABLE periods (
    org_id       TEXT   NOT NULL,
    subscription TEXT   NOT NULL,
    idx          BIGINT NOT NULL,
    customer     TEXT   NOT NULL,
    start_at     BIGINT NOT NULL,
    end_at       BIGINT NOT NULL,
    state        TEXT   NOT NULL,
    invoice      TEXT   NOT NULL,
    closed_at    BIGINT NOT NULL,
    PRIMARY KEY (org_id, subscription, idx)
);
CREATE INDEX periods_due ON periods (org_id, state, end_at);

-- The next number of a sequence without gaps.
CREATE TABLE numbers (
    org_id TEXT   NOT NULL,
    name   TEXT   NOT NULL,
    next   BIGINT NOT NULL,
    PRIMARY KEY (org_id, name)
);

-- The document is final; the columns beside it say where its money is. carried
-- is what later invoices took over, carried_into the id of the one that did.
CREATE TABLE invoices (
    org_id       TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    seq          BIGINT NOT NULL,
    number       TEXT   NOT NULL,
    customer     TEXT   NOT NULL,
    subscription TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    idx          BIGINT NOT NULL,
    currency     TEXT   NOT NULL,
    total        BIGINT NOT NULL,
    paid         BIGINT NOT NULL,
    carried_into TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    issued_at    BIGINT NOT NULL,
    document     BLOB   NOT NULL,
    sha256       TEXT   NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE UNIQUE INDEX invoices_seq ON invoices (org_id, seq);
CREATE UNIQUE INDEX invoices_number ON invoices (org_id, number);
CREATE UNIQUE INDEX invoices_period ON invoices (org_id, subscription, idx, reason);
CREATE INDEX invoices_customer ON invoices (org_id, customer, seq);
CREATE INDEX invoices_state ON invoices (org_id, state, seq);

-- What each line billed, so that what comes late is charged against it.
CREATE TABLE invoice_lines (
    org_id         TEXT   NOT NULL,
    invoice        TEXT   NOT NULL,
    n              BIGINT NOT NULL,
    number         TEXT   NOT NULL,
    kind           TEXT   NOT NULL,
    subscription   TEXT   NOT NULL,
    idx            BIGINT NOT NULL,
    price          TEXT   NOT NULL,
    meter          TEXT   NOT NULL,
    start_at       BIGINT NOT NULL,
    end_at         BIGINT NOT NULL,
    quantity_units BIGINT NOT NULL,
    quantity_picos BIGINT NOT NULL,
    covered_units  BIGINT NOT NULL,
    covered_picos  BIGINT NOT NULL,
    amount         BIGINT NOT NULL,
    currency       TEXT   NOT NULL,
    PRIMARY KEY (org_id, invoice, n)
);
CREATE INDEX invoice_lines_period ON invoice_lines (org_id, subscription, idx);

CREATE TABLE grants (
    org_id       TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    customer     TEXT   NOT NULL,
    meter        TEXT   NOT NULL,
    currency     TEXT   NOT NULL,
    issued_units BIGINT NOT NULL,
    issued_picos BIGINT NOT NULL,
    priority     BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    note         TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE INDEX grants_customer ON grants (org_id, customer);

-- The ledger: postings of one transaction sum to zero in each unit, and none is
-- ever changed. txn names what happened, so that it cannot happen twice.
CREATE TABLE postings (
    org_id  TEXT   NOT NULL,
    txn     TEXT   NOT NULL,
    n       BIGINT NOT NULL,
    account TEXT   NOT NULL,
    unit    TEXT   NOT NULL,
    units   BIGINT NOT NULL,
    picos   BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (org_id, txn, n)
);
CREATE INDEX postings_account ON postings (org_id, account);

-- The newest one of a customer is on file; payments name the one they used.
CREATE TABLE payment_methods (
    org_id     TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    customer   TEXT   NOT NULL,
    provider   TEXT   NOT NULL,
    token      TEXT   NOT NULL,
    label      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE INDEX payment_methods_customer ON payment_methods (org_id, customer, id);

CREATE TABLE payments (
    org_id     TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    invoice    TEXT   NOT NULL,
    customer   TEXT   NOT NULL,
    amount     BIGINT NOT NULL,
    currency   TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    provider   TEXT   NOT NULL,
    method     TEXT   NOT NULL,
    reference  TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    action_url TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, id)
);
CREATE INDEX payments_invoice ON payments (org_id, invoice, id);
CREATE INDEX payments_state ON payments (org_id, state);
-- An invoice has one attempt that is not settled, whoever makes it.
CREATE UNIQUE INDEX payments_unsettled ON payments (org_id, invoice) WHERE state IN ('pending', 'unknown', 'action');

-- Work that one process of the installation does at a time. The epoch is the
-- fence: what is written in the name of an older one is refused.
CREATE TABLE leases (
    name       TEXT   NOT NULL PRIMARY KEY,
    holder     TEXT   NOT NULL,
    epoch      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- How far a sandbox has moved its clock.
CREATE TABLE clock (
    one       BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    offset_us BIGINT NOT NULL
);
INSERT INTO clock (one, offset_us) VALUES (1, 0);

-- +goose Down
DROP TABLE clock;
DROP TABLE leases;
DROP TABLE payments;
DROP TABLE payment_methods;
DROP TABLE postings;
DROP TABLE grants;
DROP TABLE invoice_lines;
DROP TABLE invoices;
DROP TABLE numbers;
DROP TABLE periods;
DROP TABLE phases;
DROP TABLE subscriptions;
DROP TABLE prices;
DROP TABLE products;
