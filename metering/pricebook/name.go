package pricebook

import "strings"

// cutDate removes "-2026-03-05", "-20260305" or "@20260305" from the end of a
// model's id.
func cutDate(model string) (base string, ok bool) {
	for _, layout := range []string{"-dddd-dd-dd", "-dddddddd", "@dddddddd"} {
		if n := len(model) - len(layout); n > 0 && looksLike(model[n:], layout) {
			return model[:n], true
		}
	}
	return "", false
}

// isVersion reports whether a model that an answer names is a version of the
// one that was asked for: its id and then nothing but a date or the short number
// that vendors use for one ("-0613", "-001", ":20230824-v2"). A single digit is
// another model: claude-opus-5-5 is no version of claude-opus-5.
func isVersion(reported, requested string) bool {
	rest, ok := strings.CutPrefix(reported, requested)
	if !ok || requested == "" {
		return false
	}
	if n := len(rest) - len("-vd"); n > 0 && looksLike(rest[n:], "-vd") {
		rest = rest[:n]
	}
	if rest == "" || !strings.ContainsRune("-@:", rune(rest[0])) {
		return false
	}
	for _, layout := range []string{"dddd-dd-dd", "dddddddd", "dddd", "ddd"} {
		if looksLike(rest[1:], layout) {
			return true
		}
	}
	return false
}

// looksLike compares s with a layout in which d stands for any digit.
func looksLike(s, layout string) bool {
	if len(s) != len(layout) {
		return false
	}
	for i := range len(s) {
		digit := '0' <= s[i] && s[i] <= '9'
		if layout[i] == 'd' && !digit || layout[i] != 'd' && s[i] != layout[i] {
			return false
		}
	}
	return true
}
