package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
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

// memory is the provider's own: a file to which lines are added, each durable
// before anything that follows from it is said.
type memory struct {
	file    *os.File
	size    int64
	setups  map[string]*setup
	cards   map[string]card // by token
	charges map[string]*charge
	order   []string // keys of charges, the oldest first
	lost    map[string]bool
}

// openMemory reads the file. A line that was being written when the process died
// is cut off: nothing had followed from it.
func openMemory(path string) (*memory, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the memory of the payment provider: %w", err)
	}
	m := &memory{file: f, setups: make(map[string]*setup), cards: make(map[string]card), charges: make(map[string]*charge), lost: make(map[string]bool)}
	if err := m.load(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open the memory of the payment provider: %w", err), f.Close())
	}
	return m, nil
}

func (m *memory) load(path string) error {
	if err := syscall.Flock(int(m.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another process has %s: %w", path, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			break
		}
		var r record
		if err := json.Unmarshal(b[:end], &r); err != nil {
			return fmt.Errorf("%s is damaged at byte %d: %w", path, m.size, err)
		}
		m.apply(r)
		m.size += int64(end) + 1
		b = b[end+1:]
	}
	return m.file.Truncate(m.size)
}

// keep makes a record durable and then true.
func (m *memory) keep(r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a record: %w", err)
	}
	if _, err := m.file.WriteAt(append(b, '\n'), m.size); err != nil {
		return fmt.Errorf("write the memory of the payment provider: %w", err)
	}
	if err := m.file.Sync(); err != nil {
		return fmt.Errorf("write the memory of the payment provider: %w", err)
	}
	m.size += int64(len(b)) + 1
	m.apply(r)
	return nil
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
