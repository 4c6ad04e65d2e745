package api

import (
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
)

// spending is a question about margins or costs, and how it is to be answered.
type spending struct {
	invoicing.MarginQuery
	csv bool
}

// maxTop bounds how many groups are told apart on demand.
const maxTop = 10_000

// spending reads the question of a call, and waits until what was used before is
// in the figures, if that is asked for.
func (s *Server) spending(c *call) (spending, error) {
	q := spending{MarginQuery: invoicing.MarginQuery{Org: c.org, Zone: c.query.zoned(), By: readDimensions(c.query), Top: readTop(c.query)}, csv: readCSV(c)}
	q.From, q.To = c.query.span()
	q.Only = readFilters(c.query, c.URL.RawQuery)
	sync := c.query.boolean("sync")
	if err := c.query.close(); err != nil {
		return q, err
	}
	for i := range q.Only {
		if err := s.resolve(c, &q.Only[i]); err != nil {
			return q, err
		}
	}
	if sync {
		return q, s.sync(c.Context())
	}
	return q, nil
}

// readDimensions reads by=customer,model.
func readDimensions(q *query) []string {
	text := q.text("by", 400)
	if text == "" {
		return []string{"customer"}
	}
	by := strings.Split(text, ",")
	if err := invoicing.CheckDimensions(by); err != nil {
		q.fault("by", "%s", reason(err))
	}
	return by
}

func readTop(q *query) int {
	text := q.text("top", 10)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxTop {
		q.fault("top", "must be a whole number from 1 to %d", maxTop)
	}
	return n
}

// readCSV reports whether a table is wanted: format=csv, or a caller that accepts
// nothing before it.
func readCSV(c *call) bool {
	switch format := c.query.text("format", 10); format {
	case "csv":
		return true
	case "json":
		return false
	case "":
	default:
		c.query.fault("format", "must be json or csv")
	}
	first, _, _ := strings.Cut(c.Header.Get("Accept"), ",")
	kind, _, err := mime.ParseMediaType(first)
	return err == nil && kind == "text/csv"
}

// readFilters reads the filters in the order in which they are given, which is
// that in which a total was opened.
func readFilters(q *query, raw string) []metering.UsageFilter {
	var only []metering.UsageFilter
	add := func(param, by, value string) {
		next := append(slices.Clone(only), metering.UsageFilter{By: by, Value: value})
		if err := invoicing.CheckFilters(next); err != nil {
			q.fault(param, "%s", reason(err))
			return
		}
		only = next
	}
	for _, param := range inOrder(raw) {
		switch param {
		case "tag":
			for _, text := range q.list(param, 400) {
				name, value, ok := strings.Cut(text, "=")
				if !ok || name == "" || value == "" {
					q.fault(param, "must be NAME=VALUE; without=tag:NAME chooses calls that have none")
					continue
				}
				add(param, "tag:"+name, value)
			}
		case "without", "unknown":
			value := ""
			if param == "unknown" {
				value = metering.GroupUnknown
			}
			for by := range strings.SplitSeq(q.text(param, 400), ",") {
				if by != "" {
					add(param, by, value)
				}
			}
		default:
			if value := q.text(param, 512); value != "" {
				add(param, param, value)
			}
		}
	}
	return only
}

// inOrder are the parameters of filters in the order in which a query has them,
// each once.
func inOrder(raw string) []string {
	var out []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		filters := append(invoicing.Dimensions(), "tag", "without", "unknown")
		if err == nil && slices.Contains(filters, name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// resolve puts the id of a customer for its external id, and the name of a product
// for its id.
func (s *Server) resolve(c *call, f *metering.UsageFilter) error {
	switch {
	case f.Value == "":
	case f.By == "customer":
		id, err := s.customerID(c, f.Value)
		f.Value = id
		return err
	case f.By == "product" && s.opts.Billing != nil:
		p, err := s.product(c, f.Value)
		f.Value = p.Name
		return err
	}
	return nil
}

// reason is what an error about input says, without its kind.
func reason(err error) string {
	return strings.ReplaceAll(fmt.Sprint(err), ": "+metering.ErrInvalid.Error(), "")
}
