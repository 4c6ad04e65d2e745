-- +goose Up
-- Which run a call belongs to and which upstream it went to, by which usage is
-- summed. Empty is none; NULL is not known: of events that are older than this.
ALTER TABLE events ADD COLUMN upstream TEXT;
ALTER TABLE events ADD COLUMN run TEXT;

-- +goose Down
ALTER TABLE events DROP COLUMN run;
ALTER TABLE events DROP COLUMN upstream;
