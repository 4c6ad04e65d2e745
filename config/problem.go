package config

import (
	"slices"
	"strings"
)

// Problem is one thing that is wrong, or worth a second look.
type Problem struct {
	Path    string // of the field, upstreams.openai.base_url; empty: the file as a whole
	Message string // what is wrong and what to do; never a value that may be secret
}

// String is "path: message".
func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// Error is everything that is wrong with a configuration.
type Error struct {
	File     string // empty: no file was read
	Problems []Problem
}

// Error writes a line per problem.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("configuration")
	if e.File != "" {
		b.WriteString(" " + e.File)
	}
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// problems collects problems.
type problems []Problem

func (p *problems) add(path, message string) { *p = append(*p, Problem{path, message}) }

// touch reports whether one of the problems is at path, above it or inside it.
func (p problems) touch(path string) bool {
	return slices.ContainsFunc(p, func(have Problem) bool {
		return within(path, have.Path) || within(have.Path, path)
	})
}

// within reports whether path is outer or a part of it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// nearest returns the candidate that word was probably meant to be, or "".
func nearest(word string, candidates []string) string {
	best, at := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		d := distance(word, c)
		if word != "" && (strings.HasPrefix(word, c) || strings.HasPrefix(c, word)) {
			d = min(d, 2)
		}
		if d < at {
			best, at = c, d
		}
	}
	return best
}

// distance counts the edits between a and b; two swapped neighbours are one.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// didYouMean is a clause for a message, or "".
func didYouMean(word string, candidates []string) string {
	if best := nearest(word, candidates); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}

// oneOf lists choices for a message: "a, b or c".
func oneOf(choices []string) string {
	if len(choices) < 2 {
		return strings.Join(choices, "")
	}
	return strings.Join(choices[:len(choices)-1], ", ") + " or " + choices[len(choices)-1]
}
