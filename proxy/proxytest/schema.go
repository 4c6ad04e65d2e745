package proxytest

import (
	"slices"
	"strings"
)

// deepest bounds how far a schema that refers to itself is followed.
const deepest = 12

// schema is a JSON schema, as OpenAI, Anthropic and Gemini take it.
type schema struct{ root document }

// example makes a value that the schema allows.
func (s schema) example() any { return s.value(s.root, 0) }

func (s schema) value(v any, depth int) any {
	d, ok := v.(document)
	if !ok || depth > deepest {
		return "weir"
	}
	if to := text(d["$ref"]); to != "" {
		return s.value(s.referred(to), depth+1)
	}
	if constant, ok := d["const"]; ok {
		return constant
	}
	if choices := list(d["enum"]); len(choices) > 0 {
		return choices[0]
	}
	for _, name := range []string{"anyOf", "oneOf", "allOf"} {
		if choices := list(d[name]); len(choices) > 0 {
			return s.value(choices[0], depth+1)
		}
	}
	switch kind(d) {
	case "object":
		return s.members(d, depth)
	case "array":
		items := make([]any, 0, 1)
		for range max(1, min(whole(d["minItems"]), 16)) {
			items = append(items, s.value(d["items"], depth+1))
		}
		if depth >= deepest-1 {
			return items[:0]
		}
		return items
	case "number", "integer":
		return number(d)
	case "boolean":
		return true
	case "null":
		return nil
	default:
		return word(d)
	}
}

// members fills all properties; near the bound of the depth only the required.
func (s schema) members(d document, depth int) any {
	properties, _ := d["properties"].(document)
	required := list(d["required"])
	out := make(document, len(properties))
	for name, property := range properties {
		if depth < deepest/2 || slices.Contains(required, any(name)) {
			out[name] = s.value(property, depth+1)
		}
	}
	return out
}

// referred follows "#/$defs/name".
func (s schema) referred(to string) any {
	var v any = s.root
	for name := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(to, "#"), "/"), "/") {
		if name != "" {
			v = inside(v, name)
		}
	}
	return v
}

// kind is the type of a schema, in JSON's words; the first where it lists many.
func kind(d document) string {
	if many := list(d["type"]); len(many) > 0 {
		return text(many[0])
	}
	k := strings.ToLower(text(d["type"]))
	if k == "" && (d["properties"] != nil || len(d) == 0) {
		return "object"
	}
	return k
}

// number is 21, or as near to it as the bounds allow.
func number(d document) any {
	n := 21.0
	if least, ok := d["minimum"].(float64); ok {
		n = max(n, least)
	}
	if most, ok := d["maximum"].(float64); ok {
		n = min(n, most)
	}
	return n
}

// word is a string of the format and the length that is asked for.
func word(d document) string {
	switch d["format"] {
	case "date-time":
		return "2026-01-02T03:04:05Z"
	case "date":
		return "2026-01-02"
	case "time":
		return "03:04:05Z"
	case "email":
		return "weir@example.com"
	case "uri", "url":
		return "https://example.com/weir"
	case "uuid":
		return "0190d2a4-5d3c-7cc1-8a4e-1b2c3d4e5f60"
	}
	w := "weir"
	if least := min(whole(d["minLength"]), 4096); int64(len(w)) < least {
		w = strings.Repeat(w, int(least)/len(w)+1)[:least]
	}
	if most := whole(d["maxLength"]); most > 0 && int64(len(w)) > most {
		w = w[:most]
	}
	return w
}
