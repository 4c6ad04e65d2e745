package page

import "net/http"

// Banner is a line above the content of every page, until what it says is over.
type Banner struct {
	Kind  string // "info", "ok", "warn" or "bad"
	Text  string
	Link  string // where there is more of it
	Label string // of the link
}

// banner is the one that a reader who is signed in sees; nil: there is none. The
// content alone has no room for it.
func (s *Site) banner(r *http.Request) *Banner {
	if s.opts.Banner == nil || fragment(r) {
		return nil
	}
	return s.opts.Banner(r)
}
