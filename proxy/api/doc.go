// Package api is the operator's side as JSON: the admin API under /api/v1/, its
// Go [Client], and the commands of the weir program, which are clients of it.
//
// A [Server] is an http.Handler for the console listener. Every request carries
// an access token, whose organisation scopes everything it can see and whose
// scopes decide what it may do; one table, [Routes], names the scope of each
// route, and the OpenAPI document at /api/openapi.json is held to that table.
//
// What is refused is refused with an RFC 9457 problem that has a stable code
// and, where the input is at fault, the path of everything that is wrong with
// it. Unknown fields and parameters are errors: a misspelt one is never dropped.
// Instants are RFC 3339 in UTC with microseconds, money is a decimal in a
// string, a list is a page {"items": […], "next_cursor": …}.
//
// The package knows the store, the key ring and the shipper only by the small
// interfaces it declares. It opens no listener and no database.
package api
