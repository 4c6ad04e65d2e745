package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering/fault"
	"github.com/weirhq/weir/metering/meteringtest"
)

// bill is an invoice as the admin API shows it.
type bill struct {
	ID     string `json:"id"`
	Number string `json:"number"`
	State  string `json:"state"`
	Total  string `json:"total"`
	Paid   string `json:"paid"`
	Due    string `json:"due"`
}

// sandbox starts one on either set-up.
func sandbox(t *testing.T, data, fault string, args []string) *process {
	t.Helper()
	o := options{data: data, args: append([]string{"sandbox"}, args...)}
	if fault != "" {
		o.env = []string{"WEIR_FAULT=" + fault}
	}
	return start(t, o)
}

// report reports usage of the demo customer.
func (p *process) report(id, tokens string) {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "events.json")
	events := `{"events":[{"name":"llm-tokens","external_customer_id":"demo","external_id":"` + id + `","metadata":{"totalTokens":` + tokens + `}}]}`
	if err := os.WriteFile(file, []byte(events), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.weir("event", "ingest", file)
}

// bills lists the invoices of the demo customer.
func (p *process) bills() []bill {
	p.t.Helper()
	var page struct {
		Items []bill `json:"items"`
	}
	p.decode(&page, "invoice", "list", "--customer", "demo")
	return page.Items
}

// settled waits until there are so many invoices and every one is paid.
func (p *process) settled(count int) []bill {
	p.t.Helper()
	var last []bill
	eventually(p.t, 40*time.Second, "invoices are paid", func() bool {
		last = p.bills()
		return len(last) >= count && !slices.ContainsFunc(last, func(b bill) bool { return b.State != "paid" })
	})
	return last
}

// charges is what the sandbox's payment provider has taken, by key.
func (p *process) charges() []json.RawMessage {
	p.t.Helper()
	resp, err := http.Get(p.console + "/sandbox/pay/charges.json")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct {
		Charges []json.RawMessage `json:"charges"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("charges of the provider: %s: %v", resp.Status, err)
	}
	return page.Charges
}

// TestBilling_killed kills the process at each point at which billing has done
// one thing and not the next, on either set-up: in the end there is one invoice
// and one charge, and the audit agrees. F24, F25, P15.
func TestBilling_killed(t *testing.T) {
	t.Parallel()
	for _, point := range fault.BillNames() {
		for name, setup := range map[string]func(t *testing.T) []string{
			"embedded": func(*testing.T) []string { return nil },
			"PostgreSQL and Redis": func(t *testing.T) []string {
				return []string{"--database", meteringtest.Postgres(t), "--redis", meteringtest.Redis(t)}
			},
		} {
			t.Run(point+"/"+name, func(t *testing.T) {
				t.Parallel()
				args, data := setup(t), t.TempDir()
				p := sandbox(t, data, point+":kill", args)
				p.report("batch", "1234567")
				_, _, code := p.command("clock", "advance", "1mo")
				if code != 3 {
					t.Fatalf("the server is still there: exit %d", code)
				}
				if got := p.wait(10 * time.Second); got != -1 {
					t.Fatalf("the process ended with %d and was not killed", got)
				}
				p = sandbox(t, data, "", args)
				list := p.settled(1)
				if len(list) != 1 || list[0].Number != "INV-000001" || !strings.HasPrefix(list[0].Total, "12.35") {
					t.Errorf("invoices %+v", list)
				}
				if n := len(p.charges()); n != 1 {
					t.Errorf("the provider has %d charges", n)
				}
				p.weir("invoice", "audit", "INV-000001")
			})
		}
	}
}
