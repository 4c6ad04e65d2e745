// Package console is the operator's pages: what was used, by whom, what it
// cost, and whether everything is recorded. It is HTML from the server; script
// only draws charts and repeats a question, and every page works without it.
//
// A [Server] answers /console/, /assets/ and /. Who is signed in is an operator
// of one organisation; a session of the customers' portal is none. The state of
// a page is in its URL, its CSV and JSON have the rows that it shows, and every
// total leads to the rows that make it.
package console
