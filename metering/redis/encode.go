package redis

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
)

// slotPrefix carries the version of the hash and of the scripts that read it:
// a release that changes what either means counts it up, and old slots go by
// their idle time.
const slotPrefix = "weir:slot1:"

// Statuses of a settlement; restore has the last one too.
const (
	statusDone = iota
	statusLost
	statusFull
)

// slotKey is the one key of a slot. The braces make the names inside them what
// a cluster places it by.
func slotKey(s metering.Slot) string {
	return slotPrefix + "{" + escape(s.Org) + ":" + escape(s.Customer) + "}"
}

// field is the name of a window in its slot's hash.
func field(w *metering.Window) string {
	b := make([]byte, 0, 96)
	b = append(b, "w:"...)
	b = append(b, escape(string(w.Unit))...)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(w.Start), 10)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(w.End), 10)
	b = append(b, ':')
	b = append(b, escape(w.Key)...)
	return string(b)
}

// escape keeps names from containing what separates them.
func escape(s string) string {
	if strings.IndexFunc(s, special) < 0 {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; special(rune(c)) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func special(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

func micros(d time.Duration) int64 { return int64(d / time.Microsecond) }

func (c *Counter) admitArgs(h *metering.Hold) []any {
	windows, which, amounts := distinct(h.Claims)
	args := make([]any, 0, 7+3*len(windows)+3*len(h.Claims))
	args = append(args, hex.EncodeToString(h.ID[:]), int64(h.TTL), micros(c.opts.Grace),
		c.opts.Idle.Milliseconds(), admission.MaxEntries, len(windows))
	for i, w := range windows {
		args = append(args, field(w), int64(w.End), amounts[i])
	}
	args = append(args, len(h.Claims))
	for i := range h.Claims {
		claim := &h.Claims[i]
		var slack any = ""
		if claim.Amount <= claim.Limit {
			slack = claim.Limit - claim.Amount
		}
		args = append(args, which[i], claim.Limit, slack)
	}
	return args
}

// distinct lists the windows of claims once each, which of them each claim is
// on, and the largest amount claimed in each.
func distinct(claims []metering.Claim) (windows []*metering.Window, which []int, amounts []int64) {
	windows, which, amounts = make([]*metering.Window, 0, len(claims)), make([]int, len(claims)), make([]int64, 0, len(claims))
	for i := range claims {
		w := &claims[i].Window
		at := slices.IndexFunc(windows, func(have *metering.Window) bool { return *have == *w })
		if at < 0 {
			at = len(windows)
			windows, amounts = append(windows, w), append(amounts, 0)
		}
		which[i], amounts[at] = at, max(amounts[at], claims[i].Amount)
	}
	return windows, which, amounts
}

func (c *Counter) restoreArgs(s *metering.Snapshot) []any {
	args := make([]any, 0, 4+2*len(s.Positions)+3*len(s.Totals))
	args = append(args, micros(c.opts.Grace), c.opts.Idle.Milliseconds(), admission.MaxEntries, len(s.Positions))
	for journal, seq := range s.Positions {
		args = append(args, journal, seq)
	}
	for i := range s.Totals {
		w := &s.Totals[i].Window
		args = append(args, field(w), int64(w.End), s.Totals[i].Amount)
	}
	return args
}

// decision reads the answer of the script.
func decision(reply []string) (metering.Decision, error) {
	if err := refusal(reply); err != nil {
		return metering.Decision{}, err
	}
	if len(reply) != 2 {
		return metering.Decision{}, fmt.Errorf("script answered %q", reply)
	}
	refused, err := strconv.Atoi(reply[0])
	if err != nil {
		return metering.Decision{}, fmt.Errorf("script answered %q: %w", reply, err)
	}
	left, err := strconv.ParseInt(reply[1], 10, 64)
	if err != nil {
		return metering.Decision{}, fmt.Errorf("script answered %q: %w", reply, err)
	}
	return metering.Decision{Allowed: refused < 0, Refused: refused, Left: left}, nil
}

// totals reads what is used and held in n windows.
func totals(reply []string, n int) (used, held []int64, err error) {
	if err := refusal(reply); err != nil {
		return nil, nil, err
	}
	if len(reply) != 2*n {
		return nil, nil, fmt.Errorf("script answered %q", reply)
	}
	used, held = make([]int64, n), make([]int64, n)
	for i := range n {
		if used[i], err = strconv.ParseInt(reply[2*i], 10, 64); err != nil {
			return nil, nil, fmt.Errorf("script answered %q: %w", reply, err)
		}
		if held[i], err = strconv.ParseInt(reply[2*i+1], 10, 64); err != nil {
			return nil, nil, fmt.Errorf("script answered %q: %w", reply, err)
		}
	}
	return used, held, nil
}

// refusal is why a script gave no answer.
func refusal(reply []string) error {
	if len(reply) != 1 {
		return nil
	}
	switch reply[0] {
	case "lost":
		return metering.ErrSlotLost
	case "ended":
		return admission.ErrEnded
	case "full":
		return admission.ErrFull
	default:
		return fmt.Errorf("script answered %q", reply[0])
	}
}
