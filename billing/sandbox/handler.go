package sandbox

import (
	"bytes"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Prefix is what the paths of the provider's pages begin with.
const Prefix = "/sandbox/pay/"

//go:embed page
var pageFiles embed.FS

// maxForm bounds a form.
const maxForm = 16 << 10

// pages are the provider's own.
type pages struct {
	*Provider
	templates *template.Template
	style     []byte
}

// Handler answers everything beneath Prefix: the form for a card, the form that
// confirms a charge, and the list of charges, charges.json for programs.
func (p *Provider) Handler() (http.Handler, error) {
	h := &pages{Provider: p}
	var err error
	if h.templates, err = template.ParseFS(pageFiles, "page/*.html"); err != nil {
		return nil, fmt.Errorf("pages of the payment provider: %w", err)
	}
	if h.style, err = pageFiles.ReadFile("page/style.css"); err != nil {
		return nil, fmt.Errorf("pages of the payment provider: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+"{$}", h.list)
	mux.HandleFunc("GET "+Prefix+"charges.json", h.export)
	mux.HandleFunc("GET "+Prefix+"style.css", h.stylesheet)
	mux.HandleFunc("GET "+Prefix+"setup/{id}", h.showSetup)
	mux.HandleFunc("POST "+Prefix+"setup/{id}", h.enterCard)
	mux.HandleFunc("GET "+Prefix+"confirm/{reference}", h.showConfirm)
	mux.HandleFunc("POST "+Prefix+"confirm/{reference}", h.confirm)
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		guarded.ServeHTTP(w, r)
	}), nil
}

func (h *pages) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := h.templates.ExecuteTemplate(&b, name, data); err != nil {
		h.opts.Logger.Error("page of the payment provider", "page", name, "error", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the reader may have gone
}

type failure struct{ Title, Text string }

func (h *pages) fail(w http.ResponseWriter, err error) {
	if errors.Is(err, metering.ErrNotFound) {
		h.render(w, http.StatusNotFound, "failure", failure{"Nothing here", "The link is not one that this payment provider has given out."})
		return
	}
	h.opts.Logger.Error("payment provider", "error", err)
	h.render(w, http.StatusInternalServerError, "failure", failure{"Something went wrong", "Nothing was charged. Try again."})
}

func (h *pages) stylesheet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(h.style) // the reader may have gone
}

// setupForm is the form for a card.
type setupForm struct {
	Secret, Number, Expires, Problem string
	Cards                            []cardRow
}

type cardRow struct{ Number, What string }

func cardRows() []cardRow {
	var out []cardRow
	for number, b := range cards() {
		out = append(out, cardRow{number[:4] + " " + number[4:8] + " " + number[8:12] + " " + number[12:], string(b)})
	}
	slices.SortFunc(out, func(a, b cardRow) int { return strings.Compare(b.Number, a.Number) })
	return out
}

func (h *pages) setup(r *http.Request) (*setup, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.memory.setups[r.PathValue("id")]
	if s == nil {
		return nil, fmt.Errorf("card setup: %w", metering.ErrNotFound)
	}
	return s, nil
}

func (h *pages) showSetup(w http.ResponseWriter, r *http.Request) {
	s, err := h.setup(r)
	switch {
	case err != nil:
		h.fail(w, err)
	case s.Card != nil:
		h.render(w, http.StatusOK, "saved", s.Card.label())
	default:
		h.render(w, http.StatusOK, "setup", setupForm{Secret: s.Secret, Cards: cardRows()})
	}
}

func (h *pages) enterCard(w http.ResponseWriter, r *http.Request) {
	s, err := h.setup(r)
	if err != nil {
		h.fail(w, err)
		return
	}
	if subtle.ConstantTimeCompare([]byte(r.PostFormValue("secret")), []byte(s.Secret)) != 1 {
		h.render(w, http.StatusForbidden, "failure", failure{"Not from this form", "Open the link again and enter the card there."})
		return
	}
	if s.Card == nil {
		form := setupForm{Secret: s.Secret, Number: r.PostFormValue("number"), Expires: r.PostFormValue("expires"), Cards: cardRows()}
		h.mu.Lock()
		err = h.enter(s, form.Number, form.Expires, r.PostFormValue("code"))
		h.mu.Unlock()
		if errors.Is(err, metering.ErrInvalid) {
			form.Problem, _, _ = strings.Cut(err.Error(), ": ")
			h.render(w, http.StatusUnprocessableEntity, "setup", form)
			return
		}
		if err != nil {
			h.fail(w, err)
			return
		}
	}
	http.Redirect(w, r, back(s), http.StatusSeeOther)
}

// back is where the customer came from, with the id of the setup.
func back(s *setup) string {
	u, err := url.Parse(s.Return)
	if err != nil || s.Return == "" {
		return Prefix + "setup/" + s.ID
	}
	q := u.Query()
	q.Set("setup", s.ID)
	u.RawQuery = q.Encode()
	return u.String()
}

func (h *pages) charge(r *http.Request) (*charge, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.memory.charges {
		if c.Reference == r.PathValue("reference") {
			return c, nil
		}
	}
	return nil, fmt.Errorf("charge: %w", metering.ErrNotFound)
}

func (h *pages) showConfirm(w http.ResponseWriter, r *http.Request) {
	c, err := h.charge(r)
	if err != nil {
		h.fail(w, err)
		return
	}
	h.render(w, http.StatusOK, "confirm", rowOf(c))
}

func (h *pages) confirm(w http.ResponseWriter, r *http.Request) {
	answer := r.PostFormValue("answer")
	if answer != "yes" && answer != "no" {
		h.render(w, http.StatusBadRequest, "failure", failure{"Neither yes nor no", "Use one of the two buttons."})
		return
	}
	c, err := h.settle(r.PathValue("reference"), answer == "yes")
	if err != nil {
		h.fail(w, err)
		return
	}
	h.render(w, http.StatusOK, "confirm", rowOf(c))
}

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

// rows lists every charge, the newest first.
func (h *pages) rows() []row {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]row, 0, len(h.memory.order))
	for _, key := range slices.Backward(h.memory.order) {
		out = append(out, rowOf(h.memory.charges[key]))
	}
	return out
}

func (h *pages) list(w http.ResponseWriter, _ *http.Request) {
	h.render(w, http.StatusOK, "list", h.rows())
}

func (h *pages) export(w http.ResponseWriter, _ *http.Request) {
	b, err := json.Marshal(map[string][]row{"charges": h.rows()})
	if err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // the reader may have gone
}
