// Package portal is the customer's pages: what was used, what it comes to, which
// credit and which invoices there are, and the keys. It is HTML from the server;
// script only draws charts, and every page works without it.
//
// A [Server] answers /portal/ and /assets/. A session belongs to one customer
// and sees that customer's figures alone: whatever a URL names is looked up and
// checked, and what is somebody else's is not there. What a call costs upstream
// is the operator's and on no page.
package portal
