package pricebook_test

import (
	"encoding/json"
	"maps"
	"math/big"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
)

// spoken is the protocol of each recorded endpoint. What is not there is read from
// a socket, or is of a server that nobody charges for.
func spoken(endpoint string) string {
	protocol, _, _ := strings.Cut(endpoint, ".")
	switch protocol {
	case "openai", "anthropic", "gemini", "bedrock", "cohere":
		return protocol
	case "vertex":
		return "gemini"
	case "mistral", "voyage", "openrouter", "xai":
		return "openai"
	default:
		return ""
	}
}

// whole is an exchange with what the corpus states of it.
type whole struct {
	exchange
	Expect statedUsage `json:"expect"`
}

// TestNaive costs every exchange of the corpus twice: by the book, from what the
// dialects read, and by hand, from the counts that the corpus states and the
// decimals of the table of facts, which share no code with either. What is not
// compared is logged by its reason, and how much is compared is held.
func TestNaive(t *testing.T) {
	t.Parallel()
	table, b := factsByModel(t), embedded(t)
	compared, left := 0, map[string]int{}
	for _, f := range meteringtest.CorpusFiles(t) {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var x whole
		if err := json.Unmarshal(raw, &x); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		want, reason := x.byHand(table)
		if reason != "" {
			left[reason]++
			continue
		}
		e := x.recorded(t)
		b.Price(e)
		switch e.CostState {
		case metering.CostExact, metering.CostProvisional, metering.CostFree:
		default:
			left["the book: "+e.Provider+" "+e.CostReason]++
			continue
		}
		compared++
		if got := dollars(t, e.Cost.String()); got.Cmp(want) != 0 {
			t.Errorf("%s of %s costs %s %s %s, by hand %s", x.ID, e.Provider, e.Cost, e.CostState, e.CostReason, want.FloatString(15))
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(left)) {
		t.Logf("%4d not compared: %s", left[reason], reason)
	}
	t.Logf("%4d compared", compared)
	if compared < 560 {
		t.Errorf("only %d exchanges were compared", compared)
	}
}

// recorded is the event that the exchange would leave if it were made today.
func (x *whole) recorded(t *testing.T) *metering.Event {
	t.Helper()
	e := x.read(t, spoken(x.Endpoint))
	if x.batch() && e.Usage.ServiceTier == "" {
		e.Usage.ServiceTier = "batch" // as the poller of a batch says
	}
	return e
}

func (x *whole) batch() bool { return slices.Contains(x.Expect.Flags, "batch_price") }

var pathModel = regexp.MustCompile(`/models?/([^/:?]+(?:%3A[^/?]*)?)`)

// model is what the answer says, else what the request names.
func (x *whole) model() string {
	if x.Expect.Model != nil && *x.Expect.Model != "" {
		return *x.Expect.Model
	}
	var asked struct{ Model string }
	if json.Unmarshal([]byte(x.RequestBody), &asked) == nil && asked.Model != "" {
		return asked.Model
	}
	if found := regexp.MustCompile(`name="model"\r\n\r\n([^\r]+)`).FindSubmatch(x.form()); found != nil {
		return string(found[1])
	}
	if found := pathModel.FindStringSubmatch(x.Path); found != nil {
		if name, err := url.PathUnescape(found[1]); err == nil {
			return name
		}
	}
	return ""
}

// byHand is what the exchange costs, or why that is not said here.
func (x *whole) byHand(table map[string]*fact) (*big.Rat, string) {
	s := &x.Expect
	switch {
	case s.Usage != "present":
		return nil, "the answer has no usage"
	case s.Earlier:
		return nil, "usage of an earlier request"
	case x.Endpoint == "realtime.websocket":
		return nil, "a socket"
	case x.Endpoint == "gemini.interactions" && strings.Contains(x.Body, `"google_search_call"`):
		return nil, "the corpus does not count the searches of interactions"
	case spoken(x.Endpoint) == "":
		return nil, "a protocol that no vendor of the table speaks: " + x.Endpoint
	}
	shares := []share{{Model: x.model(), statedTokens: s.statedTokens}}
	if len(s.ByModel) > 0 {
		shares = s.ByModel
	}
	sum := new(big.Rat)
	for i := range shares {
		f, known := table[x.vendor()+"/"+shares[i].Model]
		switch {
		case !known:
			return nil, "the table has not " + x.vendor() + " " + shares[i].Model
		case f == nil:
			return nil, "the table has two prices of " + x.vendor() + " " + shares[i].Model
		}
		cost, reason := f.tokens(&shares[i].statedTokens, x.tier())
		if reason != "" {
			return nil, reason
		}
		sum.Add(sum, cost.Mul(cost, f.premium(x.place())))
	}
	fees, reason := x.fees(table[x.vendor()+"/"+shares[0].Model])
	if reason != "" {
		return nil, reason
	}
	return sum.Add(sum, fees), ""
}
