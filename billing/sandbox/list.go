package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// maxListed bounds a listing; the newest are in it.
const maxListed = 1000

// row is a charge as pages and programs see it.
type row struct {
	Key         string `json:"key"`
	Customer    string `json:"customer"`
	Description string `json:"description"`
	Amount      string `json:"amount"`
	State       string `json:"state"`
	Reason      string `json:"reason"`
	Reference   string `json:"reference"`
	When        string `json:"at"`
}

func rowOf(c *charge) row {
	return row{c.Key, c.Customer, c.Description, c.Amount.String(), string(c.State), c.Reason, c.Reference, c.At.Time().Format("2006-01-02 15:04:05")}
}

// listing is what is listed of the charges.
type listing struct {
	Charges []row `json:"charges"` // the newest first
	Total   int   `json:"total"`   // how many there are, listed or not
}

// rows lists charges, all or those of a key, a customer or a description, such as
// "Invoice INV-000001".
func (h *pages) rows(q url.Values) listing {
	is := func(name, value string) bool { return !q.Has(name) || q.Get(name) == value }
	h.mu.Lock()
	defer h.mu.Unlock()
	out := listing{Charges: []row{}}
	for _, key := range slices.Backward(h.memory.order) {
		c := h.memory.charges[key]
		if !is("key", c.Key) || !is("customer", c.Customer) || !is("description", c.Description) {
			continue
		}
		if out.Total++; out.Total <= maxListed {
			out.Charges = append(out.Charges, rowOf(c))
		}
	}
	return out
}

func (h *pages) list(w http.ResponseWriter, r *http.Request) {
	h.render(w, http.StatusOK, "list", h.rows(r.URL.Query()))
}

func (h *pages) export(w http.ResponseWriter, r *http.Request) {
	b, err := json.Marshal(h.rows(r.URL.Query()))
	if err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	h.send(w, b)
}
