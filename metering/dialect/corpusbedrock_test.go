package dialect_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode"

	"github.com/weirhq/weir/metering/dialect"
)

// bedrockEndpoints are the recorded endpoints of Amazon Bedrock.
var bedrockEndpoints = map[string]string{
	"bedrock.converse":        "bedrock",
	"bedrock.converse_stream": "bedrock",
	"bedrock.invoke":          "bedrock",
	"bedrock.invoke_stream":   "bedrock",
	"bedrock.count_tokens":    "bedrock",
}

// correctedBedrock is what an exchange of Bedrock must yield beyond what the
// corpus says: units of guardrails, which it does not list; finish reasons of
// the makers that it does not read; an output count that a body with a guardrail
// lost and the header has; and a flag where Bedrock's own metrics differ from
// the body's counts.
func correctedBedrock(e exchange) expect {
	x := e.Expect
	x.Units = maps.Clone(x.Units)
	if x.Units == nil {
		x.Units = map[string]any{}
	}
	if h, ok := x.Units["header_counts"].(map[string]any); ok && x.Output != nil && *x.Output == 0 {
		if out, ok := h["output"].(float64); ok {
			n := int64(out)
			x.Output = &n
		}
	}
	if m, ok := x.Units["invocation_metrics"].(map[string]any); ok && x.Output != nil {
		if out, ok := m["outputTokenCount"].(float64); ok && int64(out) != *x.Output {
			x.Flags = append(x.Flags, "total_gap")
		}
	}
	delete(x.Units, "header_counts")
	delete(x.Units, "invocation_metrics")
	for _, object := range bodyObjects(e) {
		var v any
		if json.Unmarshal(object, &v) != nil {
			continue
		}
		addAssessments(x.Units, v)
		if reason := makerFinish(v); reason != "" && x.Finish == nil && strings.HasPrefix(e.Endpoint, "bedrock.invoke") {
			x.Finish = reason
		}
	}
	return x
}

// bodyObjects are the JSON objects of a recorded answer, those of chunks decoded.
func bodyObjects(e exchange) [][]byte {
	if e.BodyEncoding != "base64" {
		return [][]byte{[]byte(e.Body)}
	}
	raw, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return nil
	}
	var all [][]byte
	for len(raw) >= 16 {
		total, head := binary.BigEndian.Uint32(raw), binary.BigEndian.Uint32(raw[4:])
		payload := raw[12+head : total-4]
		raw = raw[total:]
		var chunk struct{ Bytes []byte }
		if json.Unmarshal(payload, &chunk) == nil && chunk.Bytes != nil {
			payload = chunk.Bytes
		}
		all = append(all, payload)
	}
	return all
}

// addAssessments adds the units of every assessment of a guardrail anywhere in v.
func addAssessments(units map[string]any, v any) {
	switch v := v.(type) {
	case []any:
		for _, each := range v {
			addAssessments(units, each)
		}
	case map[string]any:
		if metrics, ok := v["invocationMetrics"].(map[string]any); ok {
			usage, _ := metrics["usage"].(map[string]any)
			for name, n := range usage {
				if !strings.HasSuffix(name, "Units") {
					continue
				}
				var words strings.Builder
				for _, c := range "guardrail" + strings.ToUpper(name[:1]) + name[1:] {
					if unicode.IsUpper(c) {
						words.WriteByte('_')
					}
					words.WriteRune(unicode.ToLower(c))
				}
				have, _ := units[words.String()].(float64)
				units[words.String()] = have + n.(float64)
			}
		}
		for _, each := range v {
			addAssessments(units, each)
		}
	}
}

// makerFinish is the finish reason in a body of a maker that the corpus does not
// read; texts that a guardrail quotes are not looked into.
func makerFinish(v any) string {
	object, _ := v.(map[string]any)
	if stop, ok := object["messageStop"].(map[string]any); ok {
		return stop["stopReason"].(string) // Nova
	}
	for _, name := range []string{"completionReason", "stop_reason", "finish_reason"} {
		if reason, ok := object[name].(string); ok {
			return reason
		}
	}
	for _, name := range []string{"generations", "results", "outputs"} {
		list, _ := object[name].([]any)
		for _, each := range list {
			if reason := makerFinish(each); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// TestCorpus_bedrockTerminal: a stream is terminal with the last byte of its
// last frame and not before, so that the fact is written before a client can
// have all of it.
func TestCorpus_bedrockTerminal(t *testing.T) {
	t.Parallel()
	n := 0
	for _, e := range exchanges(t) {
		if e.BodyEncoding != "base64" || e.Expect.Usage != "present" || !strings.HasPrefix(e.Endpoint, "bedrock.") {
			continue
		}
		n++
		p := prepare(t, e)
		s := p.scanner("")
		s.Scan(p.answer[:len(p.answer)-1])
		if s.Terminal() {
			t.Errorf("%s is terminal before its end", e.ID)
		}
		s.Scan(p.answer[len(p.answer)-1:])
		if !s.Terminal() {
			t.Errorf("%s is not terminal at its end", e.ID)
		}
		s.Close(dialect.Ended)
		if !bytes.Equal(p.answer, decoded(t, e.Body, e.BodyEncoding)) {
			t.Errorf("%s was changed in place", e.ID)
		}
	}
	if n == 0 {
		t.Error("no streams")
	}
}
