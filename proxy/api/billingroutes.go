package api

import (
	"net/http"
)

// billingRoutes are the routes about money and about a sandbox's time.
func billingRoutes() []Route {
	return []Route{
		{http.MethodGet, "/api/v1/products", "products:read", "listProducts", 0, billed((*Server).listProducts)},
		{http.MethodPost, "/api/v1/products", "products:write", "createProduct", 0, billed((*Server).createProduct)},
		{http.MethodGet, "/api/v1/products/{product}", "products:read", "showProduct", 0, billed((*Server).showProduct)},
		{http.MethodPatch, "/api/v1/products/{product}", "products:write", "updateProduct", 0, billed((*Server).updateProduct)},
		{http.MethodPost, "/api/v1/products/{product}/archive", "products:write", "archiveProduct", 0, billed((*Server).archiveProduct)},
		{http.MethodPost, "/api/v1/products/{product}/prices", "products:write", "addPrice", 0, billed((*Server).addPrice)},

		{http.MethodGet, "/api/v1/subscriptions", "subscriptions:read", "listSubscriptions", 0, billed((*Server).listSubscriptions)},
		{http.MethodPost, "/api/v1/subscriptions", "subscriptions:write", "createSubscription", 0, billed((*Server).createSubscription)},
		{http.MethodGet, "/api/v1/subscriptions/{subscription}", "subscriptions:read", "showSubscription", 0, billed((*Server).showSubscription)},
		{http.MethodPost, "/api/v1/subscriptions/{subscription}/product", "subscriptions:write", "switchProduct", 0, billed((*Server).switchProduct)},
		{http.MethodPost, "/api/v1/subscriptions/{subscription}/end", "subscriptions:write", "endSubscription", 0, billed((*Server).endSubscription)},

		{http.MethodGet, "/api/v1/credits", "credits:read", "listCredits", 0, billed((*Server).listCredits)},
		{http.MethodPost, "/api/v1/credits", "credits:write", "createCredit", 0, billed((*Server).createCredit)},
		{http.MethodPost, "/api/v1/credits/{credit}/void", "credits:write", "voidCredit", 0, billed((*Server).voidCredit)},

		{http.MethodGet, "/api/v1/invoices", "invoices:read", "listInvoices", 0, billed((*Server).listInvoices)},
		{http.MethodGet, "/api/v1/invoices/{invoice}", "invoices:read", "showInvoice", 0, billed((*Server).showInvoice)},
		{http.MethodPost, "/api/v1/invoices/{invoice}/pay", "invoices:write", "payInvoice", 0, billed((*Server).payInvoice)},
		{http.MethodGet, "/api/v1/invoices/{invoice}/audit", "invoices:read", "auditInvoice", 0, billed((*Server).auditInvoice)},
		{http.MethodGet, "/api/v1/customers/{customer}/estimate", "invoices:read", "estimateInvoice", 0, billed((*Server).estimateInvoice)},
		{http.MethodGet, "/api/v1/margin", "margin:read", "showMargin", 0, billed((*Server).showMargin)},

		{http.MethodGet, "/api/v1/customers/{customer}/method", "cards:read", "showCard", 0, billed((*Server).showCard)},
		{http.MethodPost, "/api/v1/customers/{customer}/method", "cards:write", "saveCard", 0, billed((*Server).saveCard)},
		{http.MethodPost, "/api/v1/customers/{customer}/method/setup", "cards:write", "setupCard", 0, billed((*Server).setupCard)},

		{http.MethodPost, "/api/v1/portal/links", "portal:write", "createPortalLink", 0, (*Server).createPortalLink},
		// The link opens the whole console, so only a token for everything gets it.
		{http.MethodPost, "/api/v1/console/links", allScopes, "createConsoleLink", 0, (*Server).createConsoleLink},

		{http.MethodPatch, "/api/v1/admins/{email}", allScopes, "setPassword", 0, (*Server).setPassword},

		{http.MethodGet, "/api/v1/clock", "clock:read", "showClock", 0, (*Server).showClock},
		{http.MethodPost, "/api/v1/clock/advance", "clock:write", "advanceClock", 0, (*Server).advanceClock},
	}
}
