package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// rowsOfYAML reads rows from YAML, of which JSON is a part. A price is taken as
// it is written, never as a float: 0.1 is 0.1.
func rowsOfYAML(text []byte) (catalogue.Rows, error) {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		return catalogue.Rows{}, fmt.Errorf("neither JSON nor YAML: %w: %w", err, metering.ErrInvalid)
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return catalogue.Rows{}, fmt.Errorf("more than one document: %w", metering.ErrInvalid)
	}
	var out bytes.Buffer
	if err := writeJSON(&out, doc.Content[0], ""); err != nil {
		return catalogue.Rows{}, err
	}
	return catalogue.Decode(out.Bytes())
}

// writeJSON writes a node as JSON. name is that of the member it is the value of.
func writeJSON(out *bytes.Buffer, n *yaml.Node, name string) error {
	list := func(open, end byte, step int, each func(i int) error) error {
		out.WriteByte(open)
		for i := 0; i < len(n.Content); i += step {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := each(i); err != nil {
				return err
			}
		}
		out.WriteByte(end)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		return list('{', '}', 2, func(i int) error {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				return fmt.Errorf("line %d: a name that is no text: %w", key.Line, metering.ErrInvalid)
			}
			if err := writeText(out, key.Value); err != nil {
				return err
			}
			out.WriteByte(':')
			return writeJSON(out, n.Content[i+1], key.Value)
		})
	case yaml.SequenceNode:
		return list('[', ']', 1, func(i int) error { return writeJSON(out, n.Content[i], name) })
	case yaml.ScalarNode:
		return writeScalar(out, n, name)
	default:
		return fmt.Errorf("line %d: anchors are not read here: %w", n.Line, metering.ErrInvalid)
	}
}

// decimals are the members that are exact decimals in a text.
func decimals() []string { return []string{"price", "multiply", "minimum", "step"} }

func writeScalar(out *bytes.Buffer, n *yaml.Node, name string) error {
	switch n.Tag {
	case "!!null":
		out.WriteString("null")
		return nil
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return fmt.Errorf("line %d: %w: %w", n.Line, err, metering.ErrInvalid)
		}
		fmt.Fprint(out, b)
		return nil
	case "!!int":
		if !slices.Contains(decimals(), name) && json.Valid([]byte(n.Value)) {
			out.WriteString(n.Value)
			return nil
		}
	}
	return writeText(out, n.Value)
}

func writeText(out *bytes.Buffer, s string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write %.40q: %w", s, err)
	}
	out.Write(text)
	return nil
}
