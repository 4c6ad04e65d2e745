package config

import (
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// wantError says what a value should have been. It never holds the value, which
// may be a secret in the wrong place.
type wantError string

func (e wantError) Error() string { return "want " + string(e) }

// Size is a number of bytes.
type Size int64

// UnmarshalYAML reads bytes, with a unit or without.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	const want = wantError("a size such as 65536, 64KiB or 10MB")
	text := strings.TrimSpace(n.Value)
	digits := strings.TrimRight(text, "kKMGTiBb ")
	unit := map[string]int64{
		"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
		"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	}[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	v, err := strconv.ParseInt(digits, 10, 64)
	if n.Kind != yaml.ScalarNode || err != nil || unit == 0 || v < 0 || v > math.MaxInt64/unit {
		return want
	}
	*s = Size(v * unit)
	return nil
}

// String writes the size with the largest binary unit that is exact.
func (s Size) String() string {
	units := []string{"", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; s != 0 && s%1024 == 0 && i < len(units)-1; i++ {
		s /= 1024
	}
	return strconv.FormatInt(int64(s), 10) + units[i]
}

// Sync is how often the journal forces its writes to the disk. [SyncAlways]
// forces each before the answer ends.
type Sync time.Duration

// SyncAlways is the value of "always".
const SyncAlways Sync = -1

// UnmarshalYAML reads a duration or "always".
func (s *Sync) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Value == "always" {
		*s = SyncAlways
		return nil
	}
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d <= 0 {
		return wantError(`a duration such as 5ms, or "always"`)
	}
	*s = Sync(d)
	return nil
}

// String writes what UnmarshalYAML reads.
func (s Sync) String() string {
	if s == SyncAlways {
		return "always"
	}
	return time.Duration(s).String()
}

// duration reads a duration; YAML has no such type.
func duration(n *yaml.Node) (time.Duration, error) {
	if n.Value == "0" {
		return 0, nil
	}
	d, err := time.ParseDuration(n.Value)
	if err != nil || d < 0 {
		return 0, wantError("a duration such as 500ms, 30s or 10m")
	}
	return d, nil
}
