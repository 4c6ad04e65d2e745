package sandbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/sandbox"
	"github.com/weirhq/weir/metering"
)

// dir is a directory in memory where there is one: what these tests cut is
// written thousands of times, and none of them ends a kernel.
func dir(t *testing.T) string {
	t.Helper()
	d, err := os.MkdirTemp("/dev/shm", "weir-sandbox-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(d); err != nil {
			t.Error(err)
		}
	})
	return d
}

// fill charges a card of each kind, and returns the charges with what became of
// them, and the file.
func fill(t *testing.T, path string) (charges []billing.Charge, found map[string]billing.ChargeResult, text []byte) {
	t.Helper()
	s := siteAt(t, path)
	found = make(map[string]billing.ChargeResult)
	for _, number := range []string{"4242424242424242", "4000000000000002", "4000002500003155", "4000000000000341", "4000000000000119", "4242424242424242"} {
		c := charge(t, s.Provider, number, strings.Repeat("k", len(charges)+1))
		for range 2 { // the second is for the request that is lost
			if _, err := s.Charge(t.Context(), c); err != nil && !errors.Is(err, billing.ErrChargeUnknown) {
				t.Fatal(err)
			}
		}
		charges = append(charges, c)
	}
	r, err := s.Find(t.Context(), "kkk")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.TrimPrefix(r.ActionURL, base)
	_, _, body := s.do(page, nil)
	s.do(page, url.Values{"secret": {secretField.FindStringSubmatch(body)[1]}, "answer": {"yes"}})
	path, secret := s.setup("/back")
	s.do(path, url.Values{"secret": {secret}, "number": {"4242 4242 4242 4242"}, "expires": {"12/30"}, "code": {"123"}})
	for _, c := range charges {
		if found[c.Key], err = s.Find(t.Context(), c.Key); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return charges, found, read(t, s.path)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestMemory_cut cuts the provider's file at every byte, as the end of power
// would: what was answered is there and stays, in order, what was not is gone,
// and whatever is sent again ends as one charge per key.
func TestMemory_cut(t *testing.T) {
	t.Parallel()
	d := dir(t)
	charges, found, text := fill(t, filepath.Join(d, "whole"))
	kept := func(n int) map[string]bool { // keys that the whole lines of a prefix charge
		keys := make(map[string]bool)
		for line := range bytes.Lines(text[:n]) {
			var r struct{ Charge struct{ Key string } }
			if bytes.HasSuffix(line, []byte("\n")) {
				if err := json.Unmarshal(line, &r); err != nil {
					t.Fatal(err)
				}
				keys[r.Charge.Key] = true
			}
		}
		return keys
	}
	path := filepath.Join(d, "cut")
	for n := range len(text) + 1 {
		if err := os.WriteFile(path, text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		p := open(t, path)
		keys := kept(n)
		for _, c := range charges {
			got, err := p.Find(t.Context(), c.Key)
			switch {
			case !keys[c.Key] && !errors.Is(err, metering.ErrNotFound):
				t.Fatalf("after %d bytes: %s was not charged: %+v, %v", n, c.Key, got, err)
			case keys[c.Key] && (err != nil || got.Reference != found[c.Key].Reference):
				t.Fatalf("after %d bytes: %s: %+v, %v; was %+v", n, c.Key, got, err, found[c.Key])
			}
			if _, err := p.Charge(t.Context(), c); err != nil && !errors.Is(err, billing.ErrChargeUnknown) && !errors.Is(err, metering.ErrInvalid) {
				t.Fatalf("after %d bytes: send %s again: %v", n, c.Key, err)
			}
			if again, err := p.Find(t.Context(), c.Key); keys[c.Key] && (err != nil || again != got) {
				t.Fatalf("after %d bytes: %s was sent again and is %+v, %v; was %+v", n, c.Key, again, err, got)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := open(t, path).Close(); err != nil { // what was written after the cut can be read
			t.Fatal(err)
		}
	}
}

// TestMemory_torn: blocks of the last line that never reached the disk are zeros
// or what was there before. Anything wrong before it is no torn write.
func TestMemory_torn(t *testing.T) {
	t.Parallel()
	d := dir(t)
	charges, _, text := fill(t, filepath.Join(d, "whole"))
	path := filepath.Join(d, "torn")
	last := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	zeroed := bytes.Clone(text)
	clear(zeroed[last+10 : last+40])
	middle := bytes.Clone(text)
	clear(middle[10:40])
	for name, tt := range map[string]struct {
		text []byte
		fine bool
	}{
		"zeros after the end":            {append(bytes.Clone(text), make([]byte, 4096)...), true},
		"half a line after the end":      {append(bytes.Clone(text), `{"charge":{"Key":"x`...), true},
		"zeros in the last line":         {zeroed, true},
		"zeros in an earlier line":       {middle, false},
		"an earlier line is no JSON":     {append([]byte("{damaged}\n"), text...), false},
		"a kind of a later release":      {append(bytes.Clone(text), "{\"refund\":{}}\n"...), false},
		"a charge twice":                 {append(bytes.Clone(text), line(text, "\"Key\":\"k\"")...), false},
		"a charge of a card it has not":  {line(text, "\"Key\":\"k\""), false},
		"something else of another type": {append(bytes.Clone(text), "[]\n"...), false},
	} {
		if err := os.WriteFile(path, tt.text, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := sandbox.New(sandbox.Options{Path: path, BaseURL: base, Now: now})
		if !tt.fine {
			if err == nil || !strings.Contains(err.Error(), "damaged at byte") || !bytes.Equal(read(t, path), tt.text) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := p.Find(t.Context(), charges[0].Key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// line is the first line of a text that has something in it.
func line(text []byte, with string) []byte {
	for l := range bytes.Lines(text) {
		if bytes.Contains(l, []byte(with)) {
			return l
		}
	}
	return nil
}

// TestMemory_lock: two providers never have one memory.
func TestMemory_lock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "payments")
	p := open(t, path)
	if _, err := sandbox.New(sandbox.Options{Path: path, BaseURL: base}); err == nil || !strings.Contains(err.Error(), "another process has") {
		t.Errorf("a second one: %v", err)
	}
	c := charge(t, p, "4242424242424242", "k")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	// Another may have charged it by now.
	if r, err := p.Charge(t.Context(), c); !errors.Is(err, billing.ErrChargeUnknown) {
		t.Errorf("charge after close: %+v, %v", r, err)
	}
	if r, err := p.Find(t.Context(), "k"); err == nil || errors.Is(err, metering.ErrNotFound) {
		t.Errorf("find after close: %+v, %v", r, err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Error(err)
	}
}

// TestMemory_brokenDisk: after a write that failed nothing is said to be absent,
// and the truth is what the file has when it is opened again.
func TestMemory_brokenDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "payments")
	p := open(t, path)
	c := charge(t, p, "4242424242424242", "k")
	if err := p.BreakFile(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r, err := p.Charge(t.Context(), c); !errors.Is(err, billing.ErrChargeUnknown) || errors.Is(err, metering.ErrInvalid) {
			t.Errorf("charge: %+v, %v", r, err)
		}
		if r, err := p.Find(t.Context(), "k"); err == nil || errors.Is(err, metering.ErrNotFound) {
			t.Errorf("find: %+v, %v", r, err)
		}
	}
	if url, err := p.SetupURL(t.Context(), "acme", "/"); err == nil {
		t.Errorf("a page that is not kept: %s", url)
	}
	p = open(t, path)
	if _, err := p.Find(t.Context(), "k"); !errors.Is(err, metering.ErrNotFound) {
		t.Errorf("find after the restart: %v", err)
	}
	if r, err := p.Charge(t.Context(), c); err != nil || r.State != billing.PaymentSucceeded {
		t.Errorf("charge after the restart: %+v, %v", r, err)
	}
}

// TestMemory_noNumbers: no number of a card is written down anywhere, right or
// wrong, nor a security code.
func TestMemory_noNumbers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "payments")
	var logged bytes.Buffer
	p, err := sandbox.New(sandbox.Options{Path: path, BaseURL: base, Now: now, Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	h, err := p.Handler()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t, p, h, path}
	for _, number := range []string{"5555555555554444", "4242424242424241", "4000000000000341"} {
		page, secret := s.setup("/back")
		s.do(page, url.Values{"secret": {secret}, "number": {number}, "expires": {"12/30"}, "code": {"987"}})
		if m, err := p.SetupDirect("acme", number); err == nil {
			if _, err := p.Charge(t.Context(), billing.Charge{Key: number[12:], Customer: "acme", Method: m.Token, Amount: billing.Money{Minor: 700, Currency: "USD"}}); !errors.Is(err, billing.ErrChargeUnknown) {
				t.Fatal(err)
			}
		} else if !errors.Is(err, metering.ErrInvalid) || strings.Contains(err.Error(), number) {
			t.Errorf("refused: %v", err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	written := string(read(t, path)) + logged.String()
	for _, no := range []string{"5555555555554444", "4242424242424241", "4000000000000341", "987\""} {
		if strings.Contains(written, no) {
			t.Errorf("%s was written down:\n%s", no, written)
		}
	}
	if !strings.Contains(written, `"last4":"0341"`) || !strings.Contains(logged.String(), "charged") {
		t.Errorf("the test sees nothing:\n%s", written)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
