package sqlstore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqlstore"
)

// envChild makes this test binary the process that is killed.
const envChild = "WEIR_TEST_SHIP_TO"

// TestMain runs the tests, or is the process that one of them kills.
func TestMain(m *testing.M) {
	if address := os.Getenv(envChild); address != "" {
		fmt.Fprintln(os.Stderr, shipForever(address))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// shipForever claims the journal as the process after the last one and ships
// five facts at a time. Ids follow from positions, as they do in a journal.
func shipForever(address string) error {
	ctx := context.Background()
	s, err := sqlstore.Open(ctx, address)
	if err != nil {
		return err
	}
	lease, err := s.ClaimJournal(ctx, metering.JournalClaim{Journal: "j", Nonce: os.Getenv("WEIR_TEST_NONCE"), Known: nonces()})
	if err != nil {
		return err
	}
	for from := lease.Shipped; ; from += 5 {
		x := metering.Shipment{Lease: lease, From: from, To: from + 5}
		for seq := from + 1; seq <= x.To; seq++ {
			e := &metering.Event{
				Call: metering.Call{Org: metering.DefaultOrg, Customer: strconv.Itoa(int(seq % 3)), Key: "k", At: metering.Micros(1_790_000_000_000_000 + seq), Model: "m"},
				Name: metering.EventLLM, Journal: "j", FactSeq: seq, CostState: metering.CostExact, Cost: metering.Cost{Picos: 3},
			}
			copy(e.ID[:], fmt.Sprintf("%016d", seq))
			e.Usage.State = metering.UsageExact
			e.Usage.Tokens[0] = 1
			x.Events = append(x.Events, e)
		}
		if err := s.Ship(ctx, x); err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, x.To) // what this process knows to be recorded
	}
}

// nonces are all that claim the journal.
func nonces() []string {
	known := make([]string, 200)
	for i := range known {
		known[i] = fmt.Sprint("nonce-", i)
	}
	return known
}

// TestKilled: a process that ships is killed, again and again, at any point; what
// it knew to be recorded is there, everything is there once, and position,
// events and sums agree. B02, I3, row 1 of the failure matrix.
func TestKilled(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := url(t)
			s := open(t, address)
			known := uint64(0)
			for round := range 8 {
				known = max(known, shipAndKill(t, address, fmt.Sprint("nonce-", round), known, time.Duration(round)*3*time.Millisecond))
				// A server may commit what a client sent that is dead by now. Who claims the
				// journal waits for that and fences what comes later.
				lease, err := s.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: fmt.Sprint("nonce-", 100+round), Known: nonces()})
				if err != nil {
					t.Fatal(err)
				}
				shipped := lease.Shipped
				if shipped < known {
					t.Errorf("the process knew of %d facts, the database of %d", known, shipped)
				}
				expect(t, s, int64(shipped))
			}
		})
	}
}

// shipAndKill lets a process ship two shipments and kills it a little later. It
// returns the last position that it reported.
func shipAndKill(t *testing.T, address, nonce string, after uint64, later time.Duration) (known uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), envChild+"="+address, "WEIR_TEST_NONCE="+nonce)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var killing *time.Timer
	for lines.Scan() {
		if known, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Errorf("the process wrote %q", lines.Text())
		}
		if killing == nil && known > after+5 {
			killing = time.AfterFunc(later, func() { _ = child.Process.Kill() }) // Wait says what became of it
		}
	}
	if killing == nil {
		t.Error("the process ended before it was killed")
	}
	if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
		t.Errorf("the process was not killed: %v", err)
	}
	return known
}
