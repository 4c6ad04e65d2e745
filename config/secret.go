package config

import (
	"fmt"
	"io"
	"log/slog"

	"go.yaml.in/yaml/v3"
)

// redacted is what every printed form of a Secret is.
const redacted = "[redacted]"

// Secret is a string that no formatting, logging or encoding reveals. The zero
// value is an empty secret, which prints like any other.
type Secret struct{ value string }

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{s} }

// Reveal returns the string itself, to hand to what needs it.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == "" }

// Equal reports whether two secrets are the same.
func (s Secret) Equal(o Secret) bool { return s.value == o.value }

// String returns a placeholder.
func (Secret) String() string { return redacted }

// Format writes a placeholder whatever the verb: %#v and %x would otherwise
// reach the field.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) } // fmt keeps the error itself

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder; encoding/json and others use it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns a placeholder.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML returns a placeholder.
func (Secret) MarshalYAML() (any, error) { return redacted, nil }

// UnmarshalYAML reads a scalar.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return wantError("a string")
	}
	if n.Tag != "!!null" {
		s.value = n.Value
	}
	return nil
}
