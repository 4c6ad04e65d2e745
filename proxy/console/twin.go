package console

import (
	"net/http"

	"github.com/weirhq/weir/proxy/page"
)

// maxExport is how many rows a file of calls has at most.
const maxExport = 10_000

// export answers with a file.
func (s *Server) export(w http.ResponseWriter, r *http.Request, f page.File) error {
	gone, err := f.Write(w, r)
	if gone != nil {
		s.opts.Logger.DebugContext(r.Context(), "the reader of a file is gone", "error", gone)
	}
	return err
}
