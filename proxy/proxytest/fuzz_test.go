package proxytest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzSimulator: whatever comes, the answer is JSON of a status that the APIs
// have, or a stream.
func FuzzSimulator(f *testing.F) {
	var heads []string
	requests := spoken()
	for _, name := range slices.Sorted(maps.Keys(requests)) { // the same in every worker
		c := requests[name]
		ways := streamed(c.dialect, c.head, c.body)
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			f.Add(uint8(len(heads)), ways[way][1])
			heads = append(heads, ways[way][0])
		}
		f.Add(uint8(len(heads)), c.body)
		heads = append(heads, c.head)
	}
	f.Add(uint8(0), `{"model":"gpt-4o","messages":[[[{"content":{"content":[1,null,{"type":"image_url"}]}}]],3,"x"],"tools":[1,{"function":3}],"n":1e300}`)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		if strings.Contains(body, "sim-") || strings.Contains(body, "fail-") || strings.Contains(body, `\u`) {
			t.Skip("a model that hangs")
		}
		head := heads[int(which)%len(heads)]
		line, _, _ := strings.Cut(head, "\n")
		method, path, _ := strings.Cut(line, " ")
		w := httptest.NewRecorder()
		newSimulator().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound:
		default:
			t.Errorf("%s: %d %s", head, w.Code, w.Body)
		}
		if kind := w.Header().Get("Content-Type"); strings.HasPrefix(kind, "application/json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d is no JSON: %s", head, w.Code, w.Body)
		}
	})
}
