// Package billing is what usage costs a customer and who owes what: products
// and prices, subscriptions and their periods, invoices and payments. Money is
// exact until it becomes a line of an invoice, which rounds it once.
package billing
