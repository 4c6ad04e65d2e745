package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed assets/*.css assets/*.js assets/*.svg
var assetFiles embed.FS

// assetPath is where [Assets] is mounted.
const assetPath = "/assets/"

// asset is one file that never changes under its URL.
type asset struct {
	kind        string // media type
	plain, gzip []byte
}

// bundle is all assets by their hashed name.
type bundle struct {
	urls  map[string]string // by the name in the source
	files map[string]asset  // by the name in the URL
}

// assets reads, hashes and compresses the embedded files, once.
var assets = sync.OnceValues(readAssets)

func readAssets() (*bundle, error) {
	b := &bundle{urls: make(map[string]string), files: make(map[string]asset)}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, fmt.Errorf("read the assets: %w", err)
	}
	for _, e := range entries {
		content, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read asset %s: %w", e.Name(), err)
		}
		var packed bytes.Buffer
		zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return nil, fmt.Errorf("compress asset %s: %w", e.Name(), err)
		}
		if _, err := zip.Write(content); err != nil {
			return nil, fmt.Errorf("compress asset %s: %w", e.Name(), err)
		}
		if err := zip.Close(); err != nil {
			return nil, fmt.Errorf("compress asset %s: %w", e.Name(), err)
		}
		sum := sha256.Sum256(content)
		base, ext, _ := strings.Cut(e.Name(), ".")
		name := base + "-" + hex.EncodeToString(sum[:8]) + "." + ext
		b.urls[e.Name()] = assetPath + name
		b.files[name] = asset{mime.TypeByExtension(path.Ext(name)), content, packed.Bytes()}
	}
	return b, nil
}

// url is the function "asset" of templates.
func (b *bundle) url(name string) (string, error) {
	u, ok := b.urls[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %q", name)
	}
	return u, nil
}

// Assets serves the stylesheet and the scripts beneath /assets/. Their names
// hold a hash of their content, so that they may be kept for ever.
func Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := assets()
		if err != nil { // New has read them before
			http.Error(w, "assets cannot be read", http.StatusInternalServerError)
			return
		}
		f, ok := b.files[strings.TrimPrefix(r.URL.Path, assetPath)]
		if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Vary", "Accept-Encoding")
		body := f.plain
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = f.gzip
		}
		h.Set("Content-Length", fmt.Sprint(len(body)))
		if r.Method == http.MethodHead {
			return
		}
		// A browser that is gone does not want the rest.
		_, _ = w.Write(body)
	})
}

// acceptsGzip reports whether the field names gzip and does not refuse it.
func acceptsGzip(field string) bool {
	for part := range strings.SplitSeq(field, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			return strings.Trim(strings.TrimPrefix(strings.TrimSpace(weight), "q="), "0.") != "" || strings.TrimSpace(weight) == ""
		}
	}
	return false
}
