package proxytest

import (
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

// wishes is what a request asks of the answer, whichever API it came by.
type wishes struct {
	limit     int64 // most output tokens of one choice; 0: none
	choices   int64 // at least 1
	reasoning int64 // tokens to think with
	stops     []string
	tools     []tool
	force     bool   // a call is demanded
	only      string // the function that must be called
	never     bool   // no call is wanted
	single    bool   // one call at most
	json      bool   // the answer is JSON
	schema    document
}

// tool is a function that a model may call.
type tool struct {
	name   string
	schema document
}

// call is a function call.
type call struct {
	name      string
	arguments string
	pieces    []string // of the arguments
}

// ending says why a choice ended.
type ending int

const (
	ended   ending = iota // by itself
	limited               // by the limit
	stopped               // by a stop sequence
	calling               // by function calls
)

// choice is one answer.
type choice struct {
	pieces []string // of its text, a token each
	calls  []call
	end    ending
	stop   string // sequence that ended it
}

func (c choice) text() string { return strings.Join(c.pieces, "") }

// tokens is what a choice costs without its thoughts.
func (c choice) tokens() int64 {
	n := int64(len(c.pieces))
	for _, x := range c.calls {
		n += Tokens(x.name) + int64(len(x.pieces))
	}
	return n
}

// generation is an answer before it is framed.
type generation struct {
	input   int64 // all of it, whatever the cache did
	images  int64
	sound   int64
	read    int64 // from the cache, within input
	minutes int64 // written to it for five minutes, within input
	hour    int64 // written to it for an hour, within input

	reasoning int64 // of all choices
	unseen    int64 // of choices that are not returned
	choices   []choice
}

// output is all that was generated, thoughts included.
func (g *generation) output() int64 {
	n := g.reasoning + g.unseen
	for _, c := range g.choices {
		n += c.tokens()
	}
	return n
}

// generate answers a prompt.
func (x *exchange) generate(p *prompt, w wishes) *generation {
	g := &generation{input: p.count, images: p.images, sound: p.sound}
	model := dated(x.model)
	if x.api == anthropic {
		g.read, g.minutes, g.hour = x.sim.cache.explicit(model, p, x.at)
	} else {
		g.read = x.sim.cache.implicit(model, p, x.at)
	}
	thinks := w.reasoning
	if w.limit > 0 {
		thinks = min(thinks, w.limit)
	}
	for i := range max(1, w.choices) {
		g.reasoning += thinks
		g.choices = append(g.choices, x.choose(p, w, thinks, i))
	}
	x.record.Input, x.record.Cached, x.record.Written = g.input, g.read, g.minutes+g.hour
	return g
}

// choose makes choice number i.
func (x *exchange) choose(p *prompt, w wishes, thinks, i int64) choice {
	room := int64(1) << 40
	if w.limit > 0 {
		room = w.limit - thinks
	}
	if called := w.called(p); len(called) > 0 {
		return calls(called, room)
	}
	var said string
	if w.json {
		if b, err := encode(schema{w.schema}.example()); err == nil {
			said = string(b)
		}
	} else {
		said = prose(digest(x.seed, p.asked, strconv.FormatInt(i, 10)), wordsWanted(p.asked), room)
	}
	c := choice{pieces: split(said)}
	if int64(len(c.pieces)) > room {
		c.pieces, c.end = c.pieces[:room], limited
	}
	c.halt(w.stops)
	return c
}

// halt ends the text before the first stop sequence.
func (c *choice) halt(stops []string) {
	said := c.text()
	at := -1
	for _, stop := range stops {
		if i := strings.Index(said, stop); stop != "" && i >= 0 && (at < 0 || i < at) {
			at, c.stop = i, stop
		}
	}
	if at >= 0 {
		c.pieces, c.end = split(said[:at]), stopped
	}
}

// called are the functions that the prompt asks for.
func (w wishes) called(p *prompt) []tool {
	if len(w.tools) == 0 || w.never || p.answered && !w.force {
		return nil
	}
	asked := strings.ToLower(p.asked)
	var named []tool
	for _, t := range w.tools {
		if t.name == w.only {
			return []tool{t}
		}
		if t.name != "" && strings.Contains(asked, strings.ToLower(t.name)) {
			named = append(named, t)
		}
	}
	switch {
	case w.only != "":
		return nil
	case len(named) > 1 && w.single:
		return named[:1]
	case len(named) > 0:
		return named
	case w.force, strings.Contains(asked, "?"):
		return w.tools[:1]
	}
	return nil
}

// calls makes the calls for which there is room.
func calls(called []tool, room int64) choice {
	c := choice{end: calling}
	for _, t := range called {
		room -= Tokens(t.name)
		if room < 0 {
			c.end = limited
			break
		}
		b, err := encode(schema{t.schema}.example())
		if err != nil {
			b = []byte("{}")
		}
		made := call{name: t.name, pieces: split(string(b))}
		if int64(len(made.pieces)) > room {
			made.pieces, c.end = made.pieces[:room], limited
		}
		room -= int64(len(made.pieces))
		made.arguments = strings.Join(made.pieces, "")
		c.calls = append(c.calls, made)
	}
	return c
}

var wanted = regexp.MustCompile(`(?i)\bin (\d{1,4}) words?\b`)

// wordsWanted is how many words the user wants; 0: it is not said.
func wordsWanted(asked string) int {
	found := wanted.FindStringSubmatch(asked)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		return 0
	}
	return n
}

const vocabulary = "a weir raises the water behind it and lets it fall over an edge of known shape so the depth above the crest tells how much flows " +
	"per second without holding the stream up and engineers have read rivers that way for centuries because the law is simple exact and cheap to keep"

// prose is text that seed decides, of n words or, if n is 0, of 18 to 47. What
// comes after the first most tokens is not worth making.
func prose(seed string, n int, most int64) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(seed)) // a hash takes everything
	random := rand.New(rand.NewPCG(h.Sum64(), 7))
	if n == 0 {
		n = 18 + random.IntN(30)
	}
	n = int(min(int64(n), most+1)) // a word has a token at least
	words := strings.Fields(vocabulary)
	at := random.IntN(len(words))
	var b strings.Builder
	left := 0 // words in this sentence
	for i := range n {
		word := words[(at+i)%len(words)]
		if left == 0 {
			left = 8 + random.IntN(8)
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		if left--; left == 0 || i == n-1 {
			b.WriteByte('.')
			left = 0
		}
	}
	return b.String()
}
