package sync

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Document is what a catalogue says.
type Document struct {
	Shape Shape
	// Rows are its models, other ids of them and their rates, sorted and each there
	// once. Rates have no ids; they begin and end only where the catalogue says so.
	Rows catalogue.Rows
	// Ignored are entries that could not be used, each with why. The first 100 are
	// named; IgnoredTotal counts all of them.
	Ignored      []string
	IgnoredTotal int
}

// Read reads a document. One that is not of that shape is ErrInvalid; a single
// entry that cannot be used is left out and named. It is pure.
func Read(shape Shape, text []byte) (*Document, error) {
	s := &sheet{shape: shape, models: make(map[string]*model)}
	var err error
	switch shape {
	case ModelsDev:
		err = s.modelsDev(text)
	case GenAIPrices:
		err = s.genAIPrices(text)
	case LiteLLM:
		err = s.liteLLM(text)
	default:
		_, err = ParseShape(string(shape))
	}
	if err == nil {
		err = s.tooMany()
	}
	if err != nil {
		return nil, fmt.Errorf("read prices of %s: %w", shape, err)
	}
	return s.document(), nil
}

// sheet is a document in the making.
type sheet struct {
	shape   Shape
	models  map[string]*model // by provider and id
	entries int
	ignored []string
}

// model is one entry in the making. Nothing of it counts before add.
type model struct {
	sku     catalogue.SKU
	rates   []catalogue.Rate
	aliases []string
	fault   string // why it cannot be used
}

func (s *sheet) model(provider, id string) *model {
	m := &model{sku: catalogue.SKU{Provider: provider, SKU: id, Sources: []string{string(s.shape)}}}
	if !nameable(provider) || !nameable(id) {
		m.fault = "its name is empty, too long, or has white space in it"
	}
	return m
}

// nameable reports whether a name can be part of the ids of rates.
func nameable(name string) bool {
	const most = 100 // bytes, as pydantic/genai-prices bounds its ids
	return name != "" && name != catalogue.Any && len(name) <= most &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\uFFFD' })
}

// price adds a rate: n times ten to the power of shift dollars for per units,
// zero for a million tokens. A number that is not there adds nothing.
func (m *model) price(meter string, n json.Number, shift int, per int64, when catalogue.When) {
	if n == "" || m.fault != "" {
		return
	}
	price, ok := decimal(n, shift)
	if ok {
		const dearest = 10_000 // dollars; what is beyond it is a slip
		v, err := metering.ParseNumber(price)
		ok = err == nil && v.Units < dearest
	}
	if !ok {
		m.fault = fmt.Sprintf("a price of %.40s for %s", n, meter)
		return
	}
	m.rates = append(m.rates, catalogue.Rate{
		Provider: m.sku.Provider, SKU: m.sku.SKU, Meter: meter, Price: &price, Per: per, When: when, Sources: m.sku.Sources,
	})
}

// add takes the model into the document. Of two that have one name and give one
// thing different prices neither is taken: nobody knows which is meant. A price
// that only one of them has is that of both.
func (s *sheet) add(m *model) {
	s.entries++
	if m.fault == "" && len(m.rates) == 0 {
		return // no price is no offer: what is free has a price of zero
	}
	m.settle()
	key := m.sku.Provider + " " + m.sku.SKU
	old := s.models[key]
	switch {
	case old == nil:
		s.models[key] = m
	case old.fault == "" && m.fault == "" && !old.join(m):
		old.fault = "it is there twice, with different prices"
	case old.fault != "" && m.fault == "":
		old.fault += "; it is there twice"
	}
}

// refuse notes an entry that is not what the shape says.
func (s *sheet) refuse(name string, err error) {
	s.entries++
	s.ignored = append(s.ignored, note(name, err.Error()))
}

func note(name, why string) string {
	return fmt.Sprintf("%.120s: %.160s", strings.ToValidUTF8(name, "?"), strings.ToValidUTF8(why, "?"))
}

// settle sorts the rates. Reasoning that costs what output does is output, so
// that rates for long prompts, which name output alone, hold for it too.
func (m *model) settle() {
	slices.SortStableFunc(m.rates, compareRates)
	same := func(r catalogue.Rate) bool {
		return slices.ContainsFunc(m.rates, func(o catalogue.Rate) bool {
			return o.Meter == "output" && o.From == r.From && o.When.Key() == r.When.Key() && *o.Price == *r.Price
		})
	}
	reasoning := func(r catalogue.Rate) bool { return r.Meter == "reasoning" }
	if !slices.ContainsFunc(m.rates, func(r catalogue.Rate) bool { return reasoning(r) && !same(r) }) {
		m.rates = slices.DeleteFunc(m.rates, reasoning)
	}
}

func compareRates(a, b catalogue.Rate) int {
	return cmp.Or(
		strings.Compare(a.Provider, b.Provider), strings.Compare(a.SKU, b.SKU), strings.Compare(a.Meter, b.Meter),
		strings.Compare(a.When.Key(), b.When.Key()), cmp.Compare(a.From, b.From),
	)
}

// join adds the rates that only the other entry of the model has; it reports
// whether the two agree in the rest.
func (m *model) join(o *model) (agree bool) {
	for i := range o.rates {
		r := &o.rates[i]
		at, found := slices.BinarySearchFunc(m.rates, *r, compareRates)
		switch {
		case !found:
			m.rates = slices.Insert(m.rates, at, *r)
		case m.rates[at].To != r.To || *m.rates[at].Price != *r.Price || m.rates[at].Per != r.Per:
			return false
		}
	}
	return true
}

// tooMany refuses a document of which more than a tenth cannot be read: it has
// another shape, or another version of it.
func (s *sheet) tooMany() error {
	if len(s.ignored)*10 <= s.entries {
		return nil
	}
	return fmt.Errorf("%d of %d entries cannot be read, the first is %s: %w", len(s.ignored), s.entries, s.ignored[0], metering.ErrInvalid)
}

// document assembles what was added.
func (s *sheet) document() *Document {
	d := &Document{Shape: s.shape, Ignored: s.ignored}
	all := make([]*model, 0, len(s.models))
	for _, m := range s.models {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *model) int {
		return cmp.Or(strings.Compare(a.sku.Provider, b.sku.Provider), strings.Compare(a.sku.SKU, b.sku.SKU))
	})
	for _, m := range all {
		if m.fault != "" {
			d.Ignored = append(d.Ignored, note(m.sku.Provider+"/"+m.sku.SKU, m.fault))
			continue
		}
		d.Rows.SKUs = append(d.Rows.SKUs, m.sku)
		d.Rows.Rates = append(d.Rows.Rates, m.rates...)
		slices.Sort(m.aliases)
		for _, alias := range slices.Compact(m.aliases) {
			if s.models[m.sku.Provider+" "+alias] == nil && nameable(alias) {
				d.Rows.Matches = append(d.Rows.Matches, catalogue.Match{
					Provider: m.sku.Provider, Type: catalogue.MatchExact, Pattern: alias, SKU: m.sku.SKU, Sources: m.sku.Sources,
				})
			}
		}
	}
	d.Rows.Matches = unique(d.Rows.Matches)
	d.IgnoredTotal = len(d.Ignored)
	const named = 100
	d.Ignored = d.Ignored[:min(named, len(d.Ignored))]
	return d
}

// unique leaves out ids that mean several models.
func unique(list []catalogue.Match) []catalogue.Match {
	count := make(map[string]int)
	key := func(m catalogue.Match) string { return m.Provider + " " + m.Pattern }
	for _, m := range list {
		count[key(m)]++
	}
	return slices.DeleteFunc(list, func(m catalogue.Match) bool { return count[key(m)] > 1 })
}
