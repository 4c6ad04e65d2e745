package api

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.json
var openAPI string

// OpenAPI returns the OpenAPI document of the API.
func OpenAPI() []byte { return []byte(openAPI) }

func (s *Server) showOpenAPI(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, raw: OpenAPI()}, nil
}
