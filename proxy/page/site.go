package page

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

//go:embed templates/*.html
var layouts embed.FS

// Options are what a [Site] is made of. Templates and Name are required.
type Options struct {
	Templates fs.FS
	Base      string // what all paths of the site begin with, "/console"
	Name      string // what the site is called
	Nav       []NavItem

	// Viewer says who is signed in, for the top bar; empty: nobody, and there is
	// no navigation. nil: nobody ever.
	Viewer func(*http.Request) string
	// Banner is what every page says above its content to who is signed in; nil, or
	// a nil banner: nothing.
	Banner func(*http.Request) *Banner
	// SignOut is the path that the button for it posts to.
	SignOut string

	Now    func() time.Time // default: time.Now
	Logger *slog.Logger     // default: discard
}

// NavItem is an entry of the navigation. The longest Path that the path of a
// request lies in is the current one.
type NavItem struct {
	Path, Label string
}

// Site renders the pages of one part of the program. It is safe for concurrent
// use.
type Site struct {
	opts  Options
	pages map[string]*template.Template
	files *bundle
}

// New parses all templates.
func New(o Options) (*Site, error) {
	if o.Templates == nil || o.Name == "" {
		return nil, errors.New("page: templates and a name are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	files, err := assets()
	if err != nil {
		return nil, err
	}
	s := &Site{opts: o, pages: make(map[string]*template.Template), files: files}
	base, err := template.New("layout.html").Funcs(s.funcs()).ParseFS(layouts, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the layout: %w", err)
	}
	if err := s.parse(base, layouts, "templates/failure.html"); err != nil {
		return nil, err
	}
	names, err := fs.Glob(o.Templates, "*.html")
	if err != nil {
		return nil, fmt.Errorf("list the templates: %w", err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "_") {
			continue
		}
		if err := s.parse(base, o.Templates, name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// parse makes one page. Partials come after it, so that they fill its blocks.
func (s *Site) parse(base *template.Template, from fs.FS, file string) error {
	t, err := base.Clone()
	if err != nil {
		return fmt.Errorf("template %s: %w", file, err)
	}
	if t, err = t.ParseFS(from, file); err != nil {
		return fmt.Errorf("template %s: %w", file, err)
	}
	partials, err := fs.Glob(s.opts.Templates, "_*.html")
	if err != nil {
		return fmt.Errorf("list the partials: %w", err)
	}
	if len(partials) > 0 {
		if t, err = t.ParseFS(s.opts.Templates, partials...); err != nil {
			return fmt.Errorf("partials of template %s: %w", file, err)
		}
	}
	for _, part := range []string{"title", "content"} {
		if t.Lookup(part) == nil {
			return fmt.Errorf("template %s does not define %q", file, part)
		}
	}
	s.pages[strings.TrimSuffix(path.Base(file), ".html")] = t
	return nil
}

// View is the dot of a page.
type View struct {
	Data any // what the handler gave

	URL    *url.URL // of the request
	Now    time.Time
	Base   string
	Name   string
	Viewer string // who is signed in, or empty
	Theme  string // "light" or "dark" where the reader chose one
	Nav    []NavEntry
	Banner *Banner // nil: there is none

	SignOut string
}

// NavEntry is an entry of the navigation as one page shows it.
type NavEntry struct {
	NavItem
	Current bool
}

func (s *Site) view(r *http.Request, data any) *View {
	v := &View{
		Data: data, URL: r.URL, Now: s.opts.Now().UTC(), Base: s.opts.Base, Name: s.opts.Name,
		Theme: themeOf(r), SignOut: s.opts.SignOut,
	}
	if s.opts.Viewer != nil {
		v.Viewer = s.opts.Viewer(r)
	}
	if v.Viewer == "" {
		return v
	}
	v.Banner = s.banner(r)
	current := -1
	for i, item := range s.opts.Nav {
		v.Nav = append(v.Nav, NavEntry{NavItem: item})
		within := r.URL.Path == item.Path || strings.HasPrefix(r.URL.Path, strings.TrimSuffix(item.Path, "/")+"/")
		if within && (current < 0 || len(item.Path) > len(s.opts.Nav[current].Path)) {
			current = i
		}
	}
	if current >= 0 {
		v.Nav[current].Current = true
	}
	return v
}

// Render answers with a page: the whole of it, or its content alone where htmx
// asks for a fragment. A template that fails answers 500 and nothing of it.
func (s *Site) Render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	body, err := s.execute(r, name, data)
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	s.write(w, r, status, body)
}

func (s *Site) execute(r *http.Request, name string, data any) ([]byte, error) {
	t, ok := s.pages[name]
	if !ok {
		return nil, fmt.Errorf("there is no template %q", name)
	}
	part := "layout.html"
	if fragment(r) {
		part = "content"
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, part, s.view(r, data)); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// fragment reports whether htmx asks for a part of the page that it shows. A
// boosted link and a restored history want all of it.
func fragment(r *http.Request) bool {
	return r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-Boosted") != "true" &&
		r.Header.Get("HX-History-Restore-Request") != "true"
}

func (s *Site) write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Vary", "HX-Request, HX-Boosted, HX-History-Restore-Request")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.opts.Logger.DebugContext(r.Context(), "the reader of a page is gone", "error", err)
	}
}

// failure is the data of the page that says what went wrong.
type failure struct {
	Status         int
	Title, Message string
}

// Fail answers with the page for an error: 404 for metering.ErrNotFound, 400
// for metering.ErrInvalid, 409 for metering.ErrConflict, 504 for a database
// that took too long, else 500. An error of ours goes to the log and not to the
// reader.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	if f.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.opts.Logger.ErrorContext(r.Context(), "page", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	body, err := s.execute(r, "failure", f)
	if err != nil {
		s.opts.Logger.ErrorContext(r.Context(), "page of an error", "error", err)
		http.Error(w, f.Title, f.Status)
		return
	}
	s.write(w, r, f.Status, body)
}

func failureOf(err error) failure {
	switch {
	case errors.Is(err, metering.ErrNotFound):
		return failure{http.StatusNotFound, "Not found", "There is nothing here, or it belongs to somebody else."}
	case errors.Is(err, metering.ErrInvalid):
		return failure{http.StatusBadRequest, "This cannot be read", plainError(err)}
	case errors.Is(err, metering.ErrConflict):
		return failure{http.StatusConflict, "Already taken", plainError(err)}
	case errors.Is(err, context.DeadlineExceeded):
		return failure{http.StatusGatewayTimeout, "The database did not answer in time", "Nothing was changed. Try again; System health shows the state of the database."}
	default:
		return failure{http.StatusInternalServerError, "Something went wrong here", "The log of the server says more. Nothing that was recorded is lost."}
	}
}

// plainError is the text of an error of the input without the sentinel at its
// end.
func plainError(err error) string {
	text := err.Error()
	for _, sentinel := range []error{metering.ErrInvalid, metering.ErrConflict} {
		text = strings.TrimSuffix(text, ": "+sentinel.Error())
	}
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
