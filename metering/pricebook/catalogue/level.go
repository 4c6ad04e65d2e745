package catalogue

import (
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Level is where a layer lies. Of two rows that say something of the same SKU,
// meter, conditions and instant, the one of the higher level holds.
type Level uint8

// Levels, low to high.
const (
	Embedded Level = iota // the snapshot that the program was built with
	Synced                // what was last read from a catalogue on the network
	Overlay               // what the program ships beside the snapshot, dated and kept by hand
	File                  // the operator's file
	Operator              // what the operator said by command or API, which wins over the file
	Account               // the operator's own contract with a provider
	NumLevels
)

var levelNames = [NumLevels]string{"embedded", "sync", "overlay", "file", "operator", "account"}

// String is the name of the level in configuration, API and database.
func (l Level) String() string {
	if l >= NumLevels {
		return fmt.Sprintf("level(%d)", uint8(l))
	}
	return levelNames[l]
}

// ParseLevel reads the name that String writes.
func ParseLevel(s string) (Level, error) {
	for l, name := range levelNames {
		if name == s {
			return Level(l), nil
		}
	}
	return 0, fmt.Errorf("layer %.40q is none of %v: %w", s, levelNames, metering.ErrInvalid)
}

// MarshalText writes the name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the name.
func (l *Level) UnmarshalText(b []byte) (err error) {
	*l, err = ParseLevel(string(b))
	return err
}
