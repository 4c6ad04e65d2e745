package proxytest

import (
	"unicode"
	"unicode/utf8"
)

// longest is how many letters and digits one token holds.
const longest = 6

// Tokens counts the tokens of a text by the rule in the package comment.
func Tokens(text string) int64 {
	var n int64
	for text != "" {
		text = text[token(text):]
		n++
	}
	return n
}

// split cuts a text into its tokens.
func split(text string) []string {
	var out []string
	for text != "" {
		n := token(text)
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

// token returns the length in bytes of the token that text begins with.
func token(text string) int {
	begun := 0
	if text[0] == ' ' {
		begun = 1
	}
	n := begun
	for range longest {
		r, size := utf8.DecodeRuneInString(text[n:])
		if !unicode.Is(unicode.Latin, r) && !('0' <= r && r <= '9') {
			break
		}
		n += size
	}
	if n > begun {
		return n
	}
	_, size := utf8.DecodeRuneInString(text)
	return size
}
