package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// maxFile bounds a file named by ${file:…}: secrets are small, and a path to a
// device or a log must not fill memory.
const maxFile = 64 << 10

// variable is a name that a shell would export.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expander replaces ${…} in strings.
type expander struct {
	env func(string) (string, bool)
}

// expand returns s with every ${…} replaced, and all that could not be.
func (x expander) expand(s string) (string, []error) {
	var (
		out  strings.Builder
		errs []error
	)
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			out.WriteString(s)
			return out.String(), errs
		}
		if i > 0 && s[i-1] == '$' {
			out.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		out.WriteString(s[:i])
		inner, rest, ok := strings.Cut(s[i+2:], "}")
		if !ok {
			return out.String(), append(errs, wantError(`"}" after "${"; a literal "${" is written "$${"`))
		}
		value, err := x.value(inner)
		if err != nil {
			errs = append(errs, err)
		}
		out.WriteString(value)
		s = rest
	}
}

// value is what stands for ${inner}.
func (x expander) value(inner string) (string, error) {
	if path, ok := strings.CutPrefix(inner, "file:"); ok {
		return readSecret(path)
	}
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !variable.MatchString(name) {
		return "", wantError("${NAME}, ${NAME:-default} or ${file:/path}")
	}
	value, set := x.env(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("environment variable %s is not set; set it, or write ${%s:-} if it may be empty", name, name)
	default:
		return value, nil
	}
}

// readSecret reads a file without its last line end.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return "", fmt.Errorf("read secret: %s is not a regular file of at most %d bytes", path, maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}
