package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/weirhq/weir/metering"
)

// DecodeYAML reads rows as a person writes them, in YAML or JSON. Numbers keep
// their text: a price may be written without quotes and is never a float. An
// unknown field, anchors and several documents are errors.
func DecodeYAML(text []byte) (Rows, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := d.Decode(&doc); err != nil {
		return Rows{}, fmt.Errorf("read prices: %w: %w", err, metering.ErrInvalid)
	}
	if err := d.Decode(new(yaml.Node)); err == nil {
		return Rows{}, fmt.Errorf("read prices: a second document follows: %w", metering.ErrInvalid)
	}
	value, err := plainValue(&doc, false)
	if err != nil {
		return Rows{}, fmt.Errorf("read prices: %w", err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		return Rows{}, fmt.Errorf("read prices: %w", err)
	}
	return Decode(out)
}

// plainValue is a node as package json takes it. decimal: it is an exact decimal,
// which rows keep as text.
func plainValue(n *yaml.Node, decimal bool) (any, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		return plainValue(n.Content[0], false)
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := out[key]; twice {
				return nil, fmt.Errorf("line %d: %q is there twice: %w", n.Content[i].Line, key, metering.ErrInvalid)
			}
			v, err := plainValue(n.Content[i+1], key == "price" || key == "multiply" || key == "minimum" || key == "step")
			if err != nil {
				return nil, err
			}
			out[key] = v
		}
		return out, nil
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := plainValue(c, false)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.ScalarNode:
		return plainScalar(n, decimal)
	default:
		return nil, fmt.Errorf("line %d: anchors are not read here: %w", n.Line, metering.ErrInvalid)
	}
}

func plainScalar(n *yaml.Node, decimal bool) (any, error) {
	switch tag := n.ShortTag(); {
	case tag == "!!null":
		return nil, nil
	case decimal:
		return n.Value, nil
	case tag == "!!bool":
		var v bool
		err := n.Decode(&v)
		return v, err
	case tag == "!!int":
		var v int64 // hexadecimal and octal too
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d: %.40q: %w", n.Line, n.Value, metering.ErrInvalid)
		}
		return v, nil
	case tag == "!!float":
		return nil, fmt.Errorf("line %d: %s is a fraction where none can be: %w", n.Line, n.Value, metering.ErrInvalid)
	default:
		return n.Value, nil
	}
}
