package portal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// maxKeys bounds what is read of a customer's keys.
const maxKeys = 1000

// keys are all keys of a customer.
func (s *Server) keys(ctx context.Context, v visitor) ([]metering.Key, error) {
	var out []metering.Key
	for cursor := ""; ; {
		list, next, err := s.opts.Store.Keys(ctx, v.org, v.customer.ID, 100, cursor)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		out = append(out, list...)
		if next == "" || len(out) >= maxKeys {
			return out, nil
		}
		cursor = next
	}
}

// maxLive bounds how many keys of a customer work at once.
const maxLive = 100

// maxKeyName bounds the name of a key, in characters.
const maxKeyName = 100

// keyName is a key as lists show it: its name, and what tells it apart.
func keyName(k metering.Key) string {
	shown := k.Prefix + "…" + k.Last4
	if k.Name == "" {
		return shown
	}
	return k.Name + " (" + shown + ")"
}

// keyRow is a key as pages show it.
type keyRow struct {
	metering.Key
	Now metering.Micros
}

// Label is the name of the key and what tells it apart.
func (k keyRow) Label() string { return keyName(k.Key) }

// Short is its name alone, or what tells it apart where it has none.
func (k keyRow) Short() string {
	if k.Name == "" {
		return k.Label()
	}
	return k.Name
}

// Works reports whether calls can be made with it.
func (k keyRow) Works() bool {
	return k.Revoked == 0 && (k.Expires == 0 || k.Expires > k.Now)
}

// State is whether it works, in words.
func (k keyRow) State() string {
	switch {
	case k.Revoked != 0:
		return "revoked"
	case !k.Works() && k.Replaced:
		return "replaced"
	case !k.Works():
		return "expired"
	case k.Replaced:
		return "being replaced"
	default:
		return "works"
	}
}

// Kind is the badge of the state.
func (k keyRow) Kind() string {
	switch {
	case !k.Works():
		return "plain"
	case k.Replaced:
		return "warn"
	default:
		return "ok"
	}
}

// Limits says what it may call, where that is not everything.
func (k keyRow) Limits() string {
	var parts []string
	if len(k.Models) > 0 {
		parts = append(parts, "models "+strings.Join(k.Models, ", "))
	}
	if len(k.Upstream) > 0 {
		parts = append(parts, "upstreams "+strings.Join(k.Upstream, ", "))
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, "; ")
}

// keysPage lists the keys.
type keysPage struct {
	Live, Gone []keyRow
	Patterns   []keyRow // that a new key can be like; one is no choice
	Makes      bool
	Name, Like string // as the form was sent
	Fault      string
	Revoked    bool // a key was just revoked
	// Secret is that of a key that was just made: the only time it is shown.
	Secret string
	Made   keyRow
	Proxy  string
}

func (s *Server) showKeys(w http.ResponseWriter, r *http.Request) error {
	return s.renderKeys(w, r, http.StatusOK, keysPage{Revoked: r.URL.Query().Get("revoked") != ""})
}

func (s *Server) renderKeys(w http.ResponseWriter, r *http.Request, status int, out keysPage) error {
	keys, err := s.keys(r.Context(), visitorOf(r))
	if err != nil {
		return err
	}
	out.Makes, out.Proxy = s.makesKeys(), s.opts.Proxy
	for _, k := range s.newestFirst(keys) {
		if k.Works() {
			out.Live = append(out.Live, k)
		} else {
			out.Gone = append(out.Gone, k)
		}
	}
	out.Patterns = patterns(append(slices.Clone(out.Live), out.Gone...))
	s.site.Render(w, r, status, "keys", out)
	return nil
}

func (s *Server) newestFirst(keys []metering.Key) []keyRow {
	out := make([]keyRow, 0, len(keys))
	for _, k := range keys {
		out = append(out, keyRow{k, s.at()})
	}
	slices.SortStableFunc(out, func(a, b keyRow) int { return cmp.Compare(b.Created, a.Created) })
	return out
}

// patterns are keys that may do different things, one of each: a new key may do
// what one of them may, because the operator decides what that is.
func patterns(keys []keyRow) []keyRow {
	var out []keyRow
	for _, k := range keys {
		same := func(o keyRow) bool {
			return slices.Equal(o.Models, k.Models) && slices.Equal(o.Upstream, k.Upstream) && slices.Equal(o.Tags, k.Tags) && o.Test == k.Test && ends(o.Key) == ends(k.Key)
		}
		if !slices.ContainsFunc(out, same) {
			out = append(out, k)
		}
	}
	return out
}

// ends is when the operator has a key end; 0: never. A key that is replaced ends
// because of that.
func ends(k metering.Key) metering.Micros {
	if k.Replaced {
		return 0
	}
	return k.Expires
}

// createKey makes a key and shows its secret, once.
func (s *Server) createKey(w http.ResponseWriter, r *http.Request) error {
	v := visitorOf(r)
	form := keysPage{Name: strings.TrimSpace(r.PostFormValue("name")), Like: r.PostFormValue("like")}
	keys, err := s.keys(r.Context(), v)
	if err != nil {
		return err
	}
	k, why := s.newKey(v, s.newestFirst(keys), form)
	if why != "" {
		form.Fault = why
		return s.renderKeys(w, r, http.StatusUnprocessableEntity, form)
	}
	var secret string
	if secret, k.Hash, k.Prefix, k.Last4, err = s.opts.MintKey(k.Test); err != nil {
		return fmt.Errorf("mint key: %w", err)
	}
	made, err := s.opts.Store.CreateKey(r.Context(), k)
	if err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	s.reload(r.Context())
	s.opts.Logger.InfoContext(r.Context(), "key made in the portal", "key", made.ID, "customer", v.customer.ID)
	return s.renderKeys(w, r, http.StatusCreated, keysPage{Secret: secret, Made: keyRow{made, s.at()}})
}

// newKey is the key that a form asks for, or why there can be none. It may do
// what the key may that it is like, and no more: what calls a customer may make
// is the operator's to say. Permissions of a backend are not handed on.
func (s *Server) newKey(v visitor, keys []keyRow, form keysPage) (metering.Key, string) {
	k := metering.Key{Org: v.org, Customer: v.customer.ID, Name: form.Name, Permits: []metering.Permit{}, Created: s.at()}
	if n := utf8.RuneCountInString(form.Name); n == 0 || n > maxKeyName || !printable(form.Name) {
		return k, fmt.Sprintf("Give the key a name of 1 to %d printable characters.", maxKeyName)
	}
	live := 0
	for _, have := range keys {
		if have.Works() {
			live++
		}
	}
	if live >= maxLive {
		return k, fmt.Sprintf("There are %d keys that work. Revoke one that is not needed first.", live)
	}
	if len(keys) == 0 {
		return k, ""
	}
	like := keys[0]
	for i, have := range keys {
		if have.ID == form.Like || form.Like == "" && have.Works() && !like.Works() {
			like = keys[i]
		}
	}
	if form.Like != "" && like.ID != form.Like {
		return k, "There is no such key to be like."
	}
	k.Models, k.Upstream, k.Tags, k.Test, k.Expires = like.Models, like.Upstream, like.Tags, like.Test, ends(like.Key)
	if k.Expires != 0 && k.Expires <= s.at() {
		return k, "The key that it would be like has expired, so that this one would too."
	}
	return k, ""
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}

// keyPage is one key, and the question whether to revoke it.
type keyPage struct {
	keyRow
	Revokes bool
	Fault   string
}

// key is the key that the path names. One of another customer is not there, S26.
func (s *Server) key(r *http.Request, id string) (keyRow, error) {
	v := visitorOf(r)
	k, err := s.opts.Store.Key(r.Context(), v.org, id)
	if errors.Is(err, metering.ErrInvalid) || err == nil && k.Customer != v.customer.ID {
		err = fmt.Errorf("key %.100q: %w", id, metering.ErrNotFound)
	}
	return keyRow{k, s.at()}, err
}

func (s *Server) showKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.key(r, r.PathValue("key"))
	if err != nil {
		return err
	}
	s.site.Render(w, r, http.StatusOK, "key", keyPage{keyRow: k, Revokes: s.opts.Ring != nil})
	return nil
}

func (s *Server) revokeKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.key(r, r.PathValue("key"))
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != "yes" {
		s.site.Render(w, r, http.StatusUnprocessableEntity, "key", keyPage{keyRow: k, Revokes: true, Fault: "Tick the box to revoke the key."})
		return nil
	}
	if k.Revoked == 0 {
		if err := s.opts.Store.RevokeKey(r.Context(), k.Org, k.ID, s.at()); err != nil {
			return fmt.Errorf("revoke key: %w", err)
		}
		s.reload(r.Context())
		s.opts.Logger.InfoContext(r.Context(), "key revoked in the portal", "key", k.ID, "customer", k.Customer)
	}
	http.Redirect(w, r, Base+"/keys?revoked=yes", http.StatusSeeOther)
	return nil
}
