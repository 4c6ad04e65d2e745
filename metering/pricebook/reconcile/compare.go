package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Compare sets what was recorded against an export. It compares the whole days
// that the export covers, within the options' From and To. ErrInvalid says that
// there is none.
func Compare(e *Export, recorded []Recorded, o Options) (*Report, error) {
	c := &comparison{export: e, options: o.withDefaults(), total: newNode(LevelTotal), days: make(map[Day]bool), billed: make(map[Day]bool)}
	if err := c.chooseDays(); err != nil {
		return nil, err
	}
	c.names = namesOf(e)
	c.keys = c.pairKeys(recorded)
	c.report = &Report{
		Provider: e.Provider, From: c.from, To: c.to, Tolerance: percentOf(c.options.Tolerance) + "%",
		Apart: len(c.days) < int(c.to-c.from),
		Floor: Floor{max(0, c.options.FloorTokens), c.options.FloorCost}, Notes: append([]string{}, e.Notes...), Keys: c.keys.list(), Causes: []CauseCount{},
	}
	for i := range recorded {
		c.record(&recorded[i])
	}
	for i := range e.Usage {
		c.use(&e.Usage[i])
	}
	for i := range e.Costs {
		c.charge(&e.Costs[i])
	}
	for _, r := range c.outside {
		c.total.near(r)
		c.total.child(c.names.of(r), LevelModel).near(r)
	}
	c.conclude()
	return c.report, nil
}

// comparison is a report in the making.
type comparison struct {
	export   *Export
	options  Options
	from, to Day
	days     map[Day]bool // that are compared
	billed   map[Day]bool // whose costs are in the export
	names    *names
	keys     *keys
	total    *node
	stated   Mask        // what the export states at all
	byModel  bool        // costs are divided by model
	left     bool        // usage of keys that are not ours is left out
	outside  []*Recorded // of days around those that are compared
	report   *Report
}

// chooseDays finds the days that both sides can be compared for.
func (c *comparison) chooseDays() error {
	e, o := c.export, c.options
	var open []Day // that are not over
	for _, d := range e.Days {
		if d < o.From || o.To != 0 && d >= o.To {
			continue
		}
		if o.Today != 0 && d >= o.Today {
			if open = append(open, d); o.To == 0 {
				continue
			}
		}
		c.days[d] = true
	}
	if len(c.days) == 0 {
		return fmt.Errorf("the export covers no whole day from %s on%s that is over: %w", max(o.From, 0), until(o.To), metering.ErrInvalid)
	}
	switch {
	case len(open) > 0 && o.To == 0:
		e.note("%s: the day is not over, and is not compared", list(open))
	case len(open) > 0:
		e.note("%s: the day is not over, and both sides have only a part of it", list(open))
	}
	c.from, c.to = e.Days[len(e.Days)-1], e.Days[0]
	for d := range c.days {
		c.from, c.to = min(c.from, d), max(c.to, d+1)
	}
	for _, d := range e.CostDays {
		c.billed[d] = c.days[d]
	}
	if len(e.Partly) > 0 {
		e.note("%s are not whole in the export and are not compared", list(e.Partly))
	}
	var missing []Day
	for d := max(o.From, c.from); d < c.to || o.To != 0 && d < o.To; d++ {
		if !c.days[d] && !slices.Contains(e.Partly, d) {
			missing = append(missing, d)
		}
	}
	if len(missing) > 0 {
		e.note("%s are not in the export and are not compared", list(missing))
	}
	c.byModel = e.CostByModel && !slices.ContainsFunc(e.Costs, func(x Cost) bool { return x.Model == AllModels })
	if e.hasCosts && !c.byModel {
		e.note("the costs are not divided by model, and are compared as one: ask for them grouped by line_item (OpenAI) or description (Anthropic)")
	}
	if e.hasUsage && !e.ByModel {
		e.note("the usage is not divided by model, and is compared as one: ask for it grouped by model")
	}
	return nil
}

func until(d Day) string {
	if d == 0 {
		return ""
	}
	return " and before " + d.String()
}

// list names days, some of them where they are many.
func list(days []Day) string {
	const most = 5
	var texts []string
	for _, d := range days[:min(len(days), most)] {
		texts = append(texts, d.String())
	}
	if n := len(days) - most; n > 0 {
		texts = append(texts, fmt.Sprintf("%d more days", n))
	}
	return strings.Join(texts, ", ")
}

// rows are the nodes that a model's day is added to; key is of the fourth, and
// empty where keys are not compared.
func (c *comparison) rows(model string, day Day, key string) []*node {
	if c.export.hasUsage && !c.export.ByModel {
		model = AllModels
	}
	m := c.total.child(model, LevelModel)
	m.model = model
	d := m.child(day.String(), LevelDay)
	d.day = day
	out := []*node{c.total, m, d}
	if key != "" {
		k := d.child(key, LevelKey)
		k.credential, k.key = c.keys.describe(key)
		out = append(out, k)
	}
	return out
}

// record adds what was recorded of a group.
func (c *comparison) record(r *Recorded) {
	if r.Credential == CredentialClient {
		if c.days[r.Day] {
			c.report.OwnKeys.add(Share{r.Counts[Requests], r.Counts.Tokens(), r.Cost})
		}
		return
	}
	model, key := c.names.of(r), c.keys.ofCredential(r.Credential)
	if !c.days[r.Day] {
		c.outside = append(c.outside, r)
		return
	}
	for _, n := range c.rows(model, r.Day, key) {
		n.record(r, c.billed[r.Day])
		n.near(r)
	}
}

// use adds what the provider says was used.
func (c *comparison) use(u *Usage) {
	c.stated |= u.Known
	if !c.days[u.Day] {
		return
	}
	if c.keys.leftOut(u.Key) {
		c.left = true
		return
	}
	if u.Model == "" && c.export.ByModel { // of a tool, which no model has
		c.total.use(u)
		return
	}
	for _, n := range c.rows(u.Model, u.Day, c.keys.ofKey(u.Key)) {
		n.use(u)
	}
}

// charge adds what the provider charges.
func (c *comparison) charge(x *Cost) {
	if !c.days[x.Day] || c.keys.leftOut(x.Key) {
		return
	}
	if x.Model == AllModels || !c.byModel {
		c.total.charge(x)
		return
	}
	key := ""
	if c.export.CostByKey {
		key = c.keys.ofKey(x.Key)
	}
	for _, n := range c.rows(x.Model, x.Day, key) {
		n.charge(x)
	}
}

// conclude turns the nodes into rows.
func (c *comparison) conclude() {
	if c.left && c.export.hasCosts && !c.export.CostByKey {
		c.report.Notes = append(c.report.Notes, "usage of keys that are not Weir's is left out, and the costs are not divided by key: they are not compared")
	}
	causes := make(map[string]int)
	c.report.Totals = c.row(c.total, nil, nil, causes)
	c.tellUnread(causes)
	c.report.Verdict = c.report.Totals.Verdict
	for kind, n := range causes {
		c.report.Causes = append(c.report.Causes, CauseCount{kind, n})
	}
	slices.SortFunc(c.report.Causes, func(a, b CauseCount) int { return cmp.Or(b.Rows-a.Rows, strings.Compare(a.Kind, b.Kind)) })
	if n := c.report.OwnKeys.Calls; n > 0 {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("%d calls were made with clients' own keys and are left out", n))
	}
}
