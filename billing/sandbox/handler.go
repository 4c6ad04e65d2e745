package sandbox

import (
	"bytes"
	"crypto/subtle"
	"embed"
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
		head.Set("Content-Security-Policy", policy(""))
		head.Set("X-Content-Type-Options", "nosniff")
		// With no-referrer a browser sends "Origin: null" with the forms too, and over
		// plain HTTP nothing else says that they are of this site: they would be refused.
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		guarded.ServeHTTP(w, r)
	}), nil
}

// policy lets a page load nothing but its style. Its form may lead on to target,
// an origin; empty: to this one alone. Browsers hold redirects to it too.
func policy(target string) string {
	return strings.TrimSpace("default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' " + target)
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
	h.send(w, b.Bytes())
}

// send writes an answer. That its reader has gone is for the debug log alone.
func (h *pages) send(w http.ResponseWriter, b []byte) {
	if _, err := w.Write(b); err != nil {
		h.opts.Logger.Debug("the reader of a page of the payment provider is gone", "error", err)
	}
}

type failure struct{ Title, Text string }

func (h *pages) fail(w http.ResponseWriter, err error) {
	if errors.Is(err, metering.ErrNotFound) {
		h.render(w, http.StatusNotFound, "failure", failure{"Nothing here", "The link is not one that this payment provider has given out."})
		return
	}
	h.opts.Logger.Error("payment provider", "error", err)
	h.render(w, http.StatusInternalServerError, "failure", failure{"That could not be recorded", "Open the page again to see what has become of it."})
}

func (h *pages) stylesheet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	h.send(w, h.style)
}

// setupForm is the form for a card.
type setupForm struct {
	Secret, Number, Expires string
	Faults                  map[string]string // by field
	Cards                   []cardRow
}

type cardRow struct{ Number, Value, What string }

func cardRows() []cardRow {
	var out []cardRow
	for number, b := range cards() {
		out = append(out, cardRow{number[:4] + " " + number[4:8] + " " + number[8:12] + " " + number[12:], number, string(b)})
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
		h.renderSetup(w, http.StatusOK, s, setupForm{})
	}
}

func (h *pages) renderSetup(w http.ResponseWriter, status int, s *setup, form setupForm) {
	form.Secret, form.Cards = s.Secret, cardRows()
	w.Header().Set("Content-Security-Policy", policy(target(s)))
	h.render(w, status, "setup", form)
}

// target is the origin that the form of a setup leads on to; empty: this one.
func target(s *setup) string {
	u, err := url.Parse(s.Return)
	if err != nil || u.Host == "" || strings.ContainsAny(u.Host, "; ,'") {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func (h *pages) enterCard(w http.ResponseWriter, r *http.Request) {
	s, err := h.setup(r)
	if err != nil {
		h.fail(w, err)
		return
	}
	if !h.ownForm(w, r, s.Secret) {
		return
	}
	if s.Card == nil {
		form := setupForm{Number: r.PostFormValue(fieldNumber), Expires: r.PostFormValue(fieldExpires)}
		now, code := h.opts.Now(), r.PostFormValue(fieldCode)
		if use := r.PostFormValue("use"); use != "" { // a button beside a card of the list
			form.Number, form.Expires, code = use, now.AddDate(3, 0, 0).Format("01/06"), "123"
		}
		entered, faults := readCard(form.Number, form.Expires, code, now)
		if form.Faults = faults; len(faults) > 0 {
			h.renderSetup(w, http.StatusUnprocessableEntity, s, form)
			return
		}
		h.mu.Lock()
		err = h.enter(s, entered)
		h.mu.Unlock()
		if err != nil {
			h.fail(w, err)
			return
		}
	}
	http.Redirect(w, r, back(s), http.StatusSeeOther)
}

// ownForm checks that a form comes from the page that has the secret.
func (h *pages) ownForm(w http.ResponseWriter, r *http.Request, secret string) bool {
	if subtle.ConstantTimeCompare([]byte(r.PostFormValue("secret")), []byte(secret)) == 1 {
		return true
	}
	h.render(w, http.StatusForbidden, "failure", failure{"Not from this form", "Nothing was done. Open the link again and send the form from there."})
	return false
}

// back is where the customer came from, with the id of the setup.
func back(s *setup) string {
	u, err := url.Parse(s.Return)
	if err != nil || s.Return == "" {
		return Prefix + "setup/" + s.ID
	}
	// The other parameters stay as they were written. One that an earlier setup has
	// left goes.
	parts := slices.DeleteFunc(strings.Split(u.RawQuery, "&"), func(part string) bool {
		return part == "" || part == "setup" || strings.HasPrefix(part, "setup=")
	})
	u.RawQuery = strings.Join(append(parts, "setup="+url.QueryEscape(s.ID)), "&")
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
	h.render(w, http.StatusOK, "confirm", confirmForm{rowOf(c), c.Secret})
}

// confirmForm is the form that confirms a charge.
type confirmForm struct {
	row
	Secret string
}

func (h *pages) confirm(w http.ResponseWriter, r *http.Request) {
	c, err := h.charge(r)
	if err != nil {
		h.fail(w, err)
		return
	}
	if !h.ownForm(w, r, c.Secret) {
		return
	}
	answer := r.PostFormValue("answer")
	if answer != "yes" && answer != "no" {
		h.render(w, http.StatusBadRequest, "failure", failure{"Neither yes nor no", "Use one of the two buttons."})
		return
	}
	if c, err = h.settle(c.Key, answer == "yes"); err != nil {
		h.fail(w, err)
		return
	}
	h.render(w, http.StatusOK, "confirm", confirmForm{row: rowOf(c)})
}
