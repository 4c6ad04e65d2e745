package portal

import (
	"net/http"

	"github.com/weirhq/weir/proxy/page"
)

// export answers with a file.
func (s *Server) export(w http.ResponseWriter, r *http.Request, f page.File) error {
	gone, err := f.Write(w, r)
	if gone != nil {
		s.opts.Logger.DebugContext(r.Context(), "the reader of a file is gone", "error", gone)
	}
	return err
}
