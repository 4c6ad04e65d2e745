package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// setup is a card being entered.
type setup struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Return   string `json:"return"`
	Secret   string `json:"secret"` // that the form has to carry
	Card     *card  `json:"card"`   // nil until it was entered
}

// charge is what the provider knows of one idempotency key.
type charge struct {
	billing.Charge
	Reference string               `json:"reference"`
	Secret    string               `json:"secret,omitempty"` // that the form has to carry which confirms it
	State     billing.PaymentState `json:"state"`
	Reason    string               `json:"reason"`
	At        metering.Micros      `json:"at"`
}

// record is a line of the file: something as it is from then on.
type record struct {
	Setup  *setup  `json:"setup,omitempty"`
	Charge *charge `json:"charge,omitempty"`
	Lost   string  `json:"lost,omitempty"` // key of a request that was lost once
}

// errClosed is that of a provider after Close: another may have its file.
var errClosed = errors.New("the payment provider is closed")

// memory is the provider's own: a file to which lines are added, each durable
// before anything that follows from it is said.
type memory struct {
	file *os.File
	size int64 // of the whole lines in it
	// err is that of a write, or errClosed: what is on the disk is not known until
	// it is read again, so nothing is said any more.
	err     error
	setups  map[string]*setup
	cards   map[string]card // by token
	charges map[string]*charge
	order   []string // keys of charges, the oldest first
	lost    map[string]bool
}

// openMemory reads the file. A line that was being written when the process died
// is cut off: nothing had followed from it. cut is how many bytes of it there
// were.
func openMemory(path string) (m *memory, cut int64, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open the memory of the payment provider: %w", err)
	}
	m = &memory{file: f, setups: make(map[string]*setup), cards: make(map[string]card), charges: make(map[string]*charge), lost: make(map[string]bool)}
	if cut, err = m.load(path); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open the memory of the payment provider: %w", err), f.Close())
	}
	return m, cut, nil
}

func (m *memory) load(path string) (cut int64, err error) {
	if err := syscall.Flock(int(m.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return 0, fmt.Errorf("another process has %s: %w", path, err)
	}
	b, err := io.ReadAll(m.file)
	if err != nil {
		return 0, err
	}
	if m.size, err = m.replay(b); err != nil {
		return 0, fmt.Errorf("%s is damaged at byte %d: %w", path, m.size, err)
	}
	if err := m.file.Truncate(m.size); err != nil {
		return 0, err
	}
	// A line may be whole and not yet on the disk. What it says is about to be told.
	if err := m.file.Sync(); err != nil {
		return 0, err
	}
	return int64(len(b)) - m.size, syncDir(filepath.Dir(path))
}

// replay applies the records in b and returns where the last whole one ends. Each
// line was on the disk before the next was written, so only the last can be
// unfinished: without its end, or with blocks in it that never got there.
func (m *memory) replay(b []byte) (size int64, err error) {
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		if !ended {
			return size, nil
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			var torn *json.SyntaxError
			if len(rest) == 0 && errors.As(err, &torn) {
				return size, nil
			}
			return size, err
		}
		if err := m.check(r); err != nil {
			return size, err
		}
		m.apply(r)
		size += int64(len(line)) + 1
		b = rest
	}
	return size, nil
}

// check refuses a record that cannot follow the ones before it, such as one of a
// later release: to skip it could be to forget a charge.
func (m *memory) check(r record) error {
	switch c := r.Charge; {
	case c != nil:
		have := m.charges[c.Key]
		if c.Key == "" || have != nil && (have.State != billing.PaymentAction || have.Charge != c.Charge) {
			return fmt.Errorf("another charge under key %q: %w", c.Key, metering.ErrInvalid)
		}
		if _, ok := m.cards[c.Method]; !ok {
			return fmt.Errorf("charge %q is of no card: %w", c.Key, metering.ErrInvalid)
		}
	case r.Setup == nil && r.Lost == "":
		return fmt.Errorf("a record of a kind that is not known here: %w", metering.ErrInvalid)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// keep makes a record durable and then true. After an error nothing more is
// kept: half a line may be on the disk, and a sync that follows one that failed
// proves nothing.
func (m *memory) keep(r record) error {
	if m.err != nil {
		return m.err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a record: %w", err)
	}
	_, err = m.file.WriteAt(append(b, '\n'), m.size)
	if err == nil {
		err = m.file.Sync()
	}
	if err != nil {
		m.err = fmt.Errorf("write the memory of the payment provider, which has to be opened again: %w", err)
		return m.err
	}
	m.size += int64(len(b)) + 1
	m.apply(r)
	return nil
}

func (m *memory) close() error {
	if errors.Is(m.err, errClosed) {
		return nil
	}
	m.err = errClosed
	return m.file.Close()
}

func (m *memory) apply(r record) {
	if s := r.Setup; s != nil {
		m.setups[s.ID] = s
		if s.Card != nil {
			m.cards[s.Card.Token] = *s.Card
		}
	}
	if c := r.Charge; c != nil {
		if m.charges[c.Key] == nil {
			m.order = append(m.order, c.Key)
		}
		m.charges[c.Key] = c
	}
	if r.Lost != "" {
		m.lost[r.Lost] = true
	}
}
