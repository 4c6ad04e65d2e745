package api

import (
	"net/url"
	"strings"
)

// Upstreams is the answer that lists them; there are too few for pages.
type Upstreams struct {
	Items []Upstream `json:"items"`
}

func (s *Server) listUpstreams(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	out := Upstreams{Items: []Upstream{}}
	if s.opts.Upstreams != nil {
		for _, u := range s.opts.Upstreams() {
			u.BaseURL = bare(u.BaseURL)
			u.SDKURLs = []string{s.opts.Proxy + u.ClientPath}
			if u.Default {
				// /v1/ is the default upstream's without its name.
				_, version, _ := strings.Cut(strings.TrimPrefix(u.ClientPath, "/"), "/")
				if version == "v1" {
					u.SDKURLs = []string{s.opts.Proxy + "/v1", s.opts.Proxy + u.ClientPath}
				}
			}
			u.Fallback, u.Endpoints = orEmpty(u.Fallback), orEmpty(u.Endpoints)
			for i := range u.Endpoints {
				e := &u.Endpoints[i]
				e.BaseURL, e.Credentials = bare(e.BaseURL), orEmpty(e.Credentials)
			}
			out.Items = append(out.Items, u)
		}
	}
	return ok(out)
}

// bare removes what may be a credential from a URL.
func bare(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
