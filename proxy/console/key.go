package console

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// maxGrace is for how long a replaced key may go on working, in hours.
const maxGrace = 90 * 24

// keyPage is one key. Secret is there once, when it was made.
type keyPage struct {
	keyRow
	Period page.Period
	Secret string
	Proxy  string
	Old    *metering.Key // that this one replaces
	Link   string        // its calls
	Fault  string
}

func (s *Server) showKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.key(r)
	if err != nil {
		return err
	}
	return s.keyPage(w, r, k, http.StatusOK, func(*keyPage) {})
}

// key is the one of the path.
func (s *Server) key(r *http.Request) (metering.Key, error) {
	k, err := s.opts.Store.Key(r.Context(), s.opts.Org, r.PathValue("key"))
	if err != nil {
		return k, fmt.Errorf("key: %w", err)
	}
	return k, nil
}

// keyPage shows a key; change is what the request adds.
func (s *Server) keyPage(w http.ResponseWriter, r *http.Request, k metering.Key, status int, change func(*keyPage)) error {
	p, err := page.ParsePeriod(r.URL.Query(), s.opts.Now(), "30d")
	if err != nil {
		return err
	}
	rows, err := s.keyRows(r.Context(), []metering.Key{k}, p, k.Customer)
	if err != nil {
		return err
	}
	out := keyPage{keyRow: rows[0], Period: p, Proxy: s.opts.Proxy}
	if out.Link, err = page.Href(Base+"/events", append([]any{"key", k.ID}, periodPairs(p)...)...); err != nil {
		return err
	}
	change(&out)
	s.site.Render(w, r, status, "key", out)
	return nil
}

// rotateKey makes a key that is like the old one, which goes on working for the
// grace period and never longer than it would have.
func (s *Server) rotateKey(w http.ResponseWriter, r *http.Request) error {
	old, err := s.key(r)
	if err != nil {
		return err
	}
	refuse := func(why string) error {
		return s.keyPage(w, r, old, http.StatusUnprocessableEntity, func(p *keyPage) { p.Fault = why })
	}
	hours, err := wholeField(r, "grace", 24)
	if err != nil || hours < 0 || hours > maxGrace {
		return refuse(fmt.Sprintf("The grace period is 0 to %d hours.", maxGrace))
	}
	now := s.at()
	if !(keyRow{Key: old, now: now}).Works() {
		return refuse("The key no longer works: make another one.")
	}
	until := metering.MicrosOf(s.opts.Now().Add(time.Duration(hours) * time.Hour))
	if old.Expires != 0 {
		until = min(until, old.Expires)
	}
	fresh := old
	fresh.ID, fresh.Created, fresh.Replaced = "", now, false
	secret, hash, prefix, last4, err := s.opts.MintKey(old.Test)
	if err != nil {
		return fmt.Errorf("mint a key: %w", err)
	}
	fresh.Hash, fresh.Prefix, fresh.Last4 = hash, prefix, last4
	made, err := s.opts.Store.RotateKey(r.Context(), s.opts.Org, old.ID, fresh, until)
	if err != nil {
		return fmt.Errorf("replace the key: %w", err)
	}
	s.opts.Logger.InfoContext(r.Context(), "key replaced", "key", old.ID, "by_key", made.ID, "by", viewer(r))
	s.reload(r.Context())
	old.Expires = until
	return s.keyPage(w, r, made, http.StatusCreated, func(p *keyPage) { p.Secret, p.Old = secret, &old })
}

// revokeKey refuses the key from now on, once its last four characters are
// typed.
func (s *Server) revokeKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.key(r)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != k.Last4 {
		return s.keyPage(w, r, k, http.StatusUnprocessableEntity, func(p *keyPage) { p.Fault = "Type the last four characters of the key to revoke it." })
	}
	if k.Revoked == 0 {
		if err := s.opts.Store.RevokeKey(r.Context(), s.opts.Org, k.ID, s.at()); err != nil {
			return fmt.Errorf("revoke the key: %w", err)
		}
		s.opts.Logger.InfoContext(r.Context(), "key revoked", "key", k.ID, "by", viewer(r))
		s.reload(r.Context())
	}
	http.Redirect(w, r, Base+"/keys/"+url.PathEscape(k.ID), http.StatusSeeOther)
	return nil
}
