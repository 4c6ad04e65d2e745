package metering

// Admin is a person who signs in to the console of an organisation.
type Admin struct {
	Org          string `json:"-"`
	ID           string `json:"id"`
	Email        string `json:"email"`       // unique in the organisation, lower case
	PasswordHash string `json:"-"`           // PHC string; empty: only one-use links sign in
	Created      Micros `json:"created_at"`  //
	Archived     Micros `json:"archived_at"` // zero: active
}

// Session kinds: whom a session or a one-use link is for.
const (
	SessionOperator = "operator"
	SessionCustomer = "customer"
)

// Session is a signed-in browser, or a one-use link that becomes one.
type Session struct {
	Org     string
	ID      string
	Hash    [32]byte // SHA-256 of the secret in the cookie or the link
	Kind    string   // SessionOperator or SessionCustomer: one never passes for the other
	Subject string   // address of the operator, id of the customer; empty: an operator without an account
	Created Micros
	Expires Micros
}
