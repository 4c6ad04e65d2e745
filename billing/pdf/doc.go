// Package pdf writes an invoice as a PDF: A4, with its own fonts embedded, its
// text searchable, and the same bytes for the same invoice whenever and wherever
// it is written.
//
// It shows what the invoice records and computes nothing but the sum of what
// rounding added. Latin, Greek and Cyrillic are set; a character that the fonts
// lack is an empty square.
package pdf
