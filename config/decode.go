package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder sets Go values from YAML nodes and collects what does not fit. The
// library's own strict mode names lines and Go types but no paths, stops at the
// first kind of fault, and quotes values, which may be secrets.
type decoder struct {
	expander
	problems
	set map[string]bool // paths the file mentions
}

// decode sets v, which is addressable, from n.
func (d *decoder) decode(path string, n *yaml.Node, v reflect.Value) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.set[path] = true
	if n.Kind == yaml.ScalarNode {
		expanded, ok := d.scalar(path, n)
		if !ok || expanded.Tag == "!!null" {
			return
		}
		n = expanded
	}
	if u, ok := reflect.TypeAssert[yaml.Unmarshaler](v.Addr()); ok {
		if err := u.UnmarshalYAML(n); err != nil {
			d.at(path, n, err.Error())
		}
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		d.leaf(path, n, func() error {
			dur, err := duration(n)
			v.SetInt(int64(dur))
			return err
		})
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(path, n, v.Elem())
	case v.Kind() == reflect.Struct:
		d.mapping(path, n, func(p, key string, at, value *yaml.Node) { d.field(p, key, at, value, v) })
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		d.mapping(path, n, func(p, key string, _, value *yaml.Node) { d.entry(p, key, value, v) })
	case v.Kind() == reflect.Slice:
		d.sequence(path, n, v)
	default:
		d.leaf(path, n, func() error { return basic(n, v) })
	}
}

// scalar returns a copy of n with ${…} expanded.
func (d *decoder) scalar(path string, n *yaml.Node) (*yaml.Node, bool) {
	if !strings.Contains(n.Value, "${") {
		return n, true
	}
	value, errs := d.expand(n.Value)
	for _, err := range errs {
		d.at(path, n, err.Error())
	}
	c := *n
	c.SetString(value)
	c.Line = n.Line
	return &c, len(errs) == 0
}

func (d *decoder) leaf(path string, n *yaml.Node, set func() error) {
	if n.Kind != yaml.ScalarNode {
		d.at(path, n, "want a single value")
		return
	}
	if err := set(); err != nil {
		d.at(path, n, err.Error())
	}
}

// basic sets a string, boolean or whole number. It reads the text and not the
// YAML type, so that a number from the environment is one.
func basic(n *yaml.Node, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		switch n.Value {
		case "true", "false":
			v.SetBool(n.Value == "true")
		default:
			return wantError("true or false")
		}
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if err != nil {
			return wantError("a whole number")
		}
		v.SetInt(int64(i))
	default:
		panic("config: a field of kind " + v.Kind().String() + " cannot be read")
	}
	return nil
}

// mapping calls each for every key once.
func (d *decoder) mapping(path string, n *yaml.Node, each func(path, key string, at, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.at(path, n, `want fields, "name: value" each`)
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		p := join(path, key.Value)
		if line, ok := seen[key.Value]; ok {
			d.at(p, key, fmt.Sprintf("is already set in line %d", line))
			continue
		}
		seen[key.Value] = key.Line
		each(p, key.Value, key, value)
	}
}

// field sets the field of struct v that key names.
func (d *decoder) field(path, key string, at, value *yaml.Node, v reflect.Value) {
	t := v.Type()
	names := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		if name == key {
			d.decode(path, value, v.Field(i))
			return
		}
		names = append(names, name)
	}
	hint := didYouMean(key, names)
	if hint == "" {
		hint = "; known are " + strings.Join(names, ", ")
	}
	d.at(path, at, "unknown field"+hint)
}

// entry sets one key of map v.
func (d *decoder) entry(path, key string, value *yaml.Node, v reflect.Value) {
	fresh := reflect.New(v.Type().Elem())
	if f, ok := reflect.TypeAssert[interface{ setDefaults() }](fresh); ok {
		f.setDefaults()
	}
	d.decode(path, value, fresh.Elem())
	v.SetMapIndex(reflect.ValueOf(key), fresh.Elem())
}

func (d *decoder) sequence(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.at(path, n, `want a list, "- item" each`)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.decode(fmt.Sprintf("%s[%d]", path, i), item, v.Index(i))
	}
}

// at adds a problem with the line it is in.
func (d *decoder) at(path string, n *yaml.Node, message string) {
	if n.Line > 0 {
		message = fmt.Sprintf("%s (line %d)", message, n.Line)
	}
	d.add(path, message)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
