package api

import (
	"net/http"
	"slices"
	"time"
)

// Public is the scope of a route that needs no token.
const Public = "public"

// Route is one route of the API and what a token needs for it.
type Route struct {
	Method string
	Path   string // with {parameters}, as in the OpenAPI document
	Scope  string // "customers:read", …, "*" for tokens for everything alone, or Public
	Name   string // the operationId

	body   int64 // most bytes of body; 0: maxBody
	handle func(*Server, *call) (answer, error)
}

// maxBody is the largest body of a request that is not a batch of events.
const maxBody = 256 << 10

// What a request may take of the store. Reading every event of an invoice, or
// closing everything that a month made due, takes longer than anything else.
const (
	requestTimeout = 30 * time.Second
	slowTimeout    = 2 * time.Minute
)

// timeout bounds a request on the route.
func (r Route) timeout() time.Duration {
	switch r.Name {
	case "reconcile", "advanceClock", "auditInvoice", "showMargin", "showCost", "rerateEvents", "syncPrices":
		return slowTimeout
	default:
		return requestTimeout
	}
}

// Routes is the whole API.
func Routes() []Route {
	return slices.Concat(meteringRoutes(), priceRoutes(), statedRoutes(), reconcileRoutes(), alertRoutes(), billingRoutes())
}

// meteringRoutes are the routes about what was used and by whom.
func meteringRoutes() []Route {
	return []Route{
		{http.MethodGet, "/api/v1/customers", "customers:read", "listCustomers", 0, (*Server).listCustomers},
		{http.MethodPost, "/api/v1/customers", "customers:write", "createCustomer", 0, (*Server).createCustomer},
		{http.MethodGet, "/api/v1/customers/{customer}", "customers:read", "showCustomer", 0, (*Server).showCustomer},
		{http.MethodPatch, "/api/v1/customers/{customer}", "customers:write", "updateCustomer", 0, (*Server).updateCustomer},
		{http.MethodPost, "/api/v1/customers/{customer}/archive", "customers:write", "archiveCustomer", 0, (*Server).archiveCustomer},

		{http.MethodGet, "/api/v1/keys", "keys:read", "listKeys", 0, (*Server).listKeys},
		{http.MethodPost, "/api/v1/keys", "keys:write", "createKey", 0, (*Server).createKey},
		{http.MethodGet, "/api/v1/keys/{key}", "keys:read", "showKey", 0, (*Server).showKey},
		{http.MethodPatch, "/api/v1/keys/{key}", "keys:write", "updateKey", 0, (*Server).updateKey},
		{http.MethodPost, "/api/v1/keys/{key}/rotate", "keys:write", "rotateKey", 0, (*Server).rotateKey},
		{http.MethodPost, "/api/v1/keys/{key}/revoke", "keys:write", "revokeKey", 0, (*Server).revokeKey},

		{http.MethodGet, "/api/v1/meters", "meters:read", "listMeters", 0, (*Server).listMeters},
		{http.MethodPost, "/api/v1/meters", "meters:write", "createMeter", 0, (*Server).createMeter},
		{http.MethodGet, "/api/v1/meters/{meter}", "meters:read", "showMeter", 0, (*Server).showMeter},
		{http.MethodPatch, "/api/v1/meters/{meter}", "meters:write", "updateMeter", 0, (*Server).updateMeter},
		{http.MethodPost, "/api/v1/meters/{meter}/archive", "meters:write", "archiveMeter", 0, (*Server).archiveMeter},
		{http.MethodGet, "/api/v1/meters/{meter}/quantities", "meters:read", "listQuantities", 0, (*Server).listQuantities},

		{http.MethodGet, "/api/v1/events", "events:read", "listEvents", 0, (*Server).listEvents},
		{http.MethodPost, "/api/v1/events/ingest", "events:write", "ingestEvents", maxIngest, (*Server).ingestEvents},
		{http.MethodGet, "/api/v1/events/{event}", "events:read", "showEvent", 0, (*Server).showEvent},
		{http.MethodPost, "/api/v1/events/{event}/usage", "events:write", "correctEvent", 0, (*Server).correctEvent},

		{http.MethodGet, "/api/v1/usage", "usage:read", "showUsage", 0, (*Server).showUsage},
		{http.MethodGet, "/api/v1/cost", "usage:read", "showCost", 0, (*Server).showCost},
		{http.MethodGet, "/api/v1/upstreams", "upstreams:read", "listUpstreams", 0, (*Server).listUpstreams},

		{http.MethodGet, "/api/v1/tokens", "tokens:read", "listTokens", 0, (*Server).listTokens},
		{http.MethodPost, "/api/v1/tokens", "tokens:write", "createToken", 0, (*Server).createToken},
		{http.MethodPost, "/api/v1/tokens/{token}/revoke", "tokens:write", "revokeToken", 0, (*Server).revokeToken},

		{http.MethodGet, "/api/v1/doctor", "doctor:read", "showDoctor", 0, (*Server).showDoctor},
		{http.MethodGet, "/api/openapi.json", Public, "showOpenAPI", 0, (*Server).showOpenAPI},
	}
}

// Scopes lists what a token can be allowed, "*" first.
func Scopes() []string {
	scopes := []string{allScopes}
	seen := map[string]bool{Public: true, allScopes: true}
	for _, r := range Routes() {
		if !seen[r.Scope] {
			seen[r.Scope] = true
			scopes = append(scopes, r.Scope)
		}
	}
	return scopes
}
