package estimate

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tiktoken-go/tokenizer/codec"
)

// Encoding is a vocabulary that is public and compiled in.
type Encoding uint8

// Encodings of OpenAI.
const (
	O200k  Encoding = iota // since GPT-4o
	Cl100k                 // GPT-4, GPT-3.5 and the embeddings
	numEncodings
)

// String is the name that the vendor gave it.
func (e Encoding) String() string {
	return [...]string{"o200k_base", "cl100k_base"}[min(e, numEncodings-1)]
}

// Limits of what is counted: with 2.5 MB/s, measured on a busy core, a text of
// Brief takes 13 ms and one of Patient 0.2 s.
const (
	// Brief is the most that is counted while a client waits for its last byte.
	Brief = 32 << 10
	// Patient is the most that is counted where nobody waits.
	Patient = 512 << 10
)

// maxQueue is how many calls may wait to be counted. When thousands of clients
// leave at once the rest is estimated by its bytes.
const maxQueue = 64

// Tokenizer counts tokens. A vocabulary is loaded when it is first needed and
// then stays: 7 MB for o200k_base, 0.12 s, and half of that for cl100k_base. At
// most a quarter of the processors count at a time. It is safe for concurrent use.
type Tokenizer struct {
	load    [numEncodings]sync.Once
	codecs  [numEncodings]atomic.Pointer[codec.Codec]
	asked   [numEncodings]atomic.Bool // somebody loads it, or has
	slots   chan struct{}
	waiting atomic.Int64
	loading sync.WaitGroup
}

// New returns a tokenizer that has loaded nothing.
func New() *Tokenizer {
	return &Tokenizer{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/4))}
}

// Load loads a vocabulary, if nobody has, and waits for it.
func (t *Tokenizer) Load(e Encoding) {
	e = min(e, numEncodings-1)
	t.load[e].Do(func() {
		c := codec.NewO200kBase
		if e == Cl100k {
			c = codec.NewCl100kBase
		}
		t.codecs[e].Store(c())
	})
}

// Wait waits for what is being loaded in the background.
func (t *Tokenizer) Wait() { t.loading.Wait() }

// Count returns how many tokens the texts are, each for itself. ok is false if
// that cannot be told now: the texts are too large, too many others wait or,
// where somebody waits, all slots are taken or the vocabulary is not there yet;
// it is then loaded in the background for the next one.
func (t *Tokenizer) Count(e Encoding, texts []string, waited bool) (n int64, ok bool) {
	size, most := 0, Patient
	if waited {
		most = Brief
	}
	for _, text := range texts {
		size += len(text)
	}
	switch {
	case size == 0:
		return 0, true
	case size > most, waited && !t.ready(e), !t.enter(waited):
		return 0, false
	}
	defer func() { <-t.slots }()
	t.Load(e)
	c := t.codecs[e].Load()
	for _, text := range texts {
		n += count(c, text)
	}
	return n, true
}

// ready reports whether the vocabulary is there, and sees to it that it will be.
func (t *Tokenizer) ready(e Encoding) bool {
	if t.codecs[e].Load() != nil {
		return true
	}
	if t.asked[e].CompareAndSwap(false, true) {
		t.loading.Go(func() { t.Load(e) })
	}
	return false
}

// enter takes a slot.
func (t *Tokenizer) enter(waited bool) bool {
	select {
	case t.slots <- struct{}{}:
		return true
	default:
	}
	if waited {
		return false
	}
	defer t.waiting.Add(-1)
	if t.waiting.Add(1) > maxQueue {
		return false
	}
	t.slots <- struct{}{}
	return true
}

// window is the most that is given to the encoder at once. The expression that
// splits words takes time with the square of a run of blanks and line ends: 64
// KiB of them take 14 s at once and 0.1 s in windows.
const window = 512

// count counts a text in windows that end where words do, so that they come to
// the same number of tokens as the whole; a window without such a place can come
// to one more.
func count(c *codec.Codec, text string) int64 {
	var n int64
	for len(text) > 0 {
		end := cut(text)
		// In the error mode that holds by default nothing is refused; the error is
		// that of a time limit, of which there is none.
		if k, err := c.Count(text[:end]); err == nil {
			n += int64(k)
		} else {
			n += int64(end)
		}
		text = text[end:]
	}
	return n
}

// cut is where the first window of a text ends: before the last blank behind a
// letter, which no token of either encoding crosses.
func cut(text string) int {
	if len(text) <= window {
		return len(text)
	}
	for i := window; i > 1; i-- {
		if text[i] == ' ' && isLetter(text[i-1]) {
			return i
		}
	}
	i := window
	for i > window-4 && text[i]&0xc0 == 0x80 { // not inside a character
		i--
	}
	return i
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
