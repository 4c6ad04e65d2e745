package clients_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/deploy/clients/box"
	"github.com/weirhq/weir/deploy/clients/scenario"
	"github.com/weirhq/weir/proxy/api"
)

// patience bounds how long a program plays.
const patience = 4 * time.Minute

// suite is a run of all clients through one sandbox.
type suite struct {
	box   *box.Box
	admin *api.Client
	table *scenario.Table

	mu     sync.Mutex
	result map[string]map[string]string // by client and scenario: ok, failed or skipped
}

// newSuite prepares a run in a sandbox.
func newSuite(t *testing.T, b *box.Box) *suite {
	t.Helper()
	table, err := scenario.Load("scenarios.json")
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(b.Dir, "weir-sandbox", api.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{box: b, table: table, result: make(map[string]map[string]string)}
	s.admin = api.NewClient(b.Console, strings.TrimSpace(string(token)), nil)
	for _, c := range roster() {
		s.result[c.name] = make(map[string]string)
		for _, sc := range table.Scenarios {
			s.result[c.name][sc.Name] = "skipped"
		}
	}
	return s
}

// customer is the external id of a client's own customer.
func (c client) customer() string { return strings.ReplaceAll(c.name, " ", "-") }

// plan makes what a program plays: at the provider, and through Weir with a key
// for each scenario, by which its events are found.
func (s *suite) plan(t *testing.T, clients []client) (plan scenario.Plan, keys map[string]map[string]string) {
	t.Helper()
	keys = make(map[string]map[string]string)
	for _, c := range clients {
		if _, err := s.admin.CreateCustomer(t.Context(), api.NewCustomer{ExternalID: c.customer(), Name: c.name}); err != nil {
			t.Fatal(err)
		}
		direct := scenario.Place{Name: "direct", Keys: map[string]string{}}
		direct.URLs = scenario.URLs{OpenAI: s.box.Simulator + "/v1", Anthropic: s.box.Simulator, Gemini: s.box.Simulator}
		through := scenario.Place{Name: "weir", Keys: map[string]string{}}
		through.URLs = scenario.URLs{OpenAI: s.box.Proxy + "/v1", Anthropic: s.box.Proxy + "/anthropic", Gemini: s.box.Proxy + "/gemini"}
		keys[c.name] = make(map[string]string)
		for _, sc := range s.table.Scenarios {
			key, err := s.admin.CreateKey(t.Context(), api.NewKey{Customer: c.customer(), Name: sc.Name})
			if err != nil {
				t.Fatal(err)
			}
			direct.Keys[sc.Name], through.Keys[sc.Name], keys[c.name][sc.Name] = s.box.SimulatorKey, key.Secret, key.ID
		}
		plan.Runs = append(plan.Runs, scenario.Run{
			Client: c.name, API: c.api, Scenarios: s.table.For(c.name, c.models, c.prefix), Places: []scenario.Place{direct, through},
		})
	}
	return plan, keys
}

// program plays one program's clients and judges what they answer.
func (s *suite) program(t *testing.T, clients []client) {
	plan, keys := s.plan(t, clients)
	answers := play(t, clients[0].program, plan)
	for i, c := range clients {
		events := s.events(t, c, keys[c.name])
		for _, sc := range plan.Runs[i].Scenarios {
			problems := judge(sc, c.name, answers, events[sc.Name])
			for _, p := range problems {
				t.Errorf("%s, %s: %s", c.name, sc.Name, p)
			}
			s.note(c.name, sc.Name, len(problems) == 0)
		}
		if problem := s.totals(t, c, answers, events); problem != "" {
			t.Errorf("%s: %s", c.name, problem)
			s.note(c.name, "totals", false)
		}
	}
}

func (s *suite) note(client, scenario string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result[client][scenario] = map[bool]string{true: "ok", false: "FAILED"}[ok]
}

// String is the table of clients and scenarios.
func (s *suite) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%-30s", "client")
	for _, sc := range s.table.Scenarios {
		fmt.Fprintf(&b, " %-10s", sc.Name)
	}
	counts := make(map[string]int)
	for _, c := range roster() {
		fmt.Fprintf(&b, "\n%-30s", c.name)
		for _, sc := range s.table.Scenarios {
			counts[s.result[c.name][sc.Name]]++
			fmt.Fprintf(&b, " %-10s", s.result[c.name][sc.Name])
		}
		if s.result[c.name]["totals"] != "" {
			b.WriteString(" totals differ")
		}
	}
	b.WriteByte('\n')
	for _, outcome := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%d %s ", counts[outcome], outcome)
	}
	return b.String()
}

// testSuite plays all programs at the same time and prints the table.
func testSuite(t *testing.T, b *box.Box) {
	s := newSuite(t, b)
	t.Run("programs", func(t *testing.T) {
		for _, program := range programs(roster()) {
			clients := slices.DeleteFunc(roster(), func(c client) bool { return c.program != program })
			t.Run(program, func(t *testing.T) {
				t.Parallel()
				s.program(t, clients)
			})
		}
	})
	t.Logf("\n%s", s)
}
