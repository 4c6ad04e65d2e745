package portal

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// grant is credit as pages show it.
type grant struct {
	billing.Grant
	Unit  string          // the currency, or the name of the meter
	Order int             // of use; 0: nothing of it is left to use
	Open  metering.Number // what the open period would use
	Now   metering.Micros
}

// After is what is left once the open period has used its part.
func (g grant) After() metering.Number { return g.Remaining().Sub(g.Open) }

// Lapsed reports whether it pays for nothing that is used from now on.
func (g grant) Lapsed() bool { return g.Grant.Expires != 0 && g.Grant.Expires <= g.Now }

// State is what became of it, in words.
func (g grant) State() string {
	zero := metering.Number{}
	switch {
	case g.Voided.Compare(zero) > 0:
		return "taken back"
	case g.Grant.Expired.Compare(zero) > 0 || g.Lapsed() && g.Remaining().Compare(zero) > 0:
		return "expired"
	case g.Remaining().Compare(zero) <= 0:
		return "used up"
	case g.After().Compare(zero) <= 0:
		return "used up by this period"
	default:
		return "available"
	}
}

// Kind is the badge of the state.
func (g grant) Kind() string {
	switch g.State() {
	case "available":
		return "ok"
	case "used up by this period":
		return "info"
	default:
		return "plain"
	}
}

// In is an amount of the grant in its unit.
func (g grant) In(n metering.Number) (template.HTML, error) { return creditHTML(n, g.Grant) }

// creditHTML is an amount of money, or of units.
func creditHTML(n metering.Number, g billing.Grant) (template.HTML, error) {
	if g.Currency != "" {
		return amountHTML(n.Rat(), g.Currency)
	}
	return page.TextHTML(page.Figure{Value: n.String(), Unit: page.UnitPlain}.String()), nil
}

// grants reads the credit of a customer in the order of its use, with what the
// estimate would use of it.
func (s *Server) grants(ctx context.Context, v visitor, e invoicing.Estimate) ([]grant, error) {
	if !s.bills() {
		return nil, nil
	}
	list, err := s.opts.Bills.Grants(ctx, v.org, v.customer.ID)
	if err != nil {
		return nil, fmt.Errorf("credit: %w", err)
	}
	open := make(map[string]metering.Number)
	for _, d := range e.Invoices {
		for _, u := range usesOf(d) {
			open[u.Grant] = open[u.Grant].Add(u.Amount)
		}
	}
	out := make([]grant, 0, len(list))
	order := 0
	for _, g := range list {
		row := grant{Grant: g, Unit: string(g.Currency), Open: open[g.ID], Now: s.at()}
		if g.Meter != "" {
			m, err := s.opts.Store.Meter(ctx, v.org, g.Meter)
			if err != nil {
				return nil, fmt.Errorf("meter of a credit: %w", err)
			}
			row.Unit = m.Name
		}
		if row.After().Compare(metering.Number{}) > 0 && !row.Lapsed() {
			order++
			row.Order = order
		}
		out = append(out, row)
	}
	return out, nil
}

// usesOf are all uses of credit by an invoice.
func usesOf(v billing.Invoice) []billing.CreditUse {
	uses := slices.Clone(v.Uses)
	for _, l := range v.Lines {
		uses = append(uses, l.Uses...)
	}
	return uses
}

// balance is what is left of all grants of one unit.
type balance struct {
	Unit  string
	grant billing.Grant // one of them, for its unit
	Left  metering.Number
	Next  metering.Micros // the first expiry of what is left; 0: never
}

// Amount is what is left.
func (b balance) Amount() (template.HTML, error) { return creditHTML(b.Left, b.grant) }

// Money reports whether it is money rather than units.
func (b balance) Money() bool { return b.grant.Currency != "" }

// balances adds up what is left to use, by unit.
func balances(grants []grant) []balance {
	var out []balance
	for _, g := range grants {
		if g.Order == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(b balance) bool { return b.Unit == g.Unit && b.Money() == (g.Currency != "") })
		if i < 0 {
			i = len(out)
			out = append(out, balance{Unit: g.Unit, grant: g.Grant})
		}
		out[i].Left = out[i].Left.Add(g.After())
		if expires := g.Grant.Expires; expires != 0 && (out[i].Next == 0 || expires < out[i].Next) {
			out[i].Next = expires
		}
	}
	return out
}

// creditsPage is what credit there is and was.
type creditsPage struct {
	Fresh    fresh
	Grants   []grant
	Balances []balance
	History  []entry
	More     bool // older invoices are not in the history
}

// entry is something that happened to credit.
type entry struct {
	At     metering.Micros // zero: not known
	What   string
	Grant  grant
	Amount template.HTML
	Link   string // of the invoice that used it
	Number string
}

// historyOf is how many invoices the history looks at.
const historyOf = 100

func (s *Server) showCredits(w http.ResponseWriter, r *http.Request) error {
	v := visitorOf(r)
	var out creditsPage
	var err error
	if out.Fresh, err = s.freshness(r.Context()); err != nil {
		return err
	}
	e, err := s.estimate(r.Context(), v)
	if err != nil {
		return err
	}
	if out.Grants, err = s.grants(r.Context(), v, e); err != nil {
		return err
	}
	out.Balances = balances(out.Grants)
	invoices, next, err := s.opts.Bills.Invoices(r.Context(), v.org, v.customer.ID, historyOf, "")
	if err != nil {
		return fmt.Errorf("invoices: %w", err)
	}
	out.More = next != ""
	if out.History, err = historyOfCredit(out.Grants, invoices); err != nil {
		return err
	}
	s.site.Render(w, r, http.StatusOK, "credits", out)
	return nil
}

// historyOfCredit lists what was given, used, expired and taken back, the latest
// first.
func historyOfCredit(grants []grant, invoices []billing.Account) ([]entry, error) {
	var out []entry
	var err error
	add := func(at metering.Micros, what string, g grant, n metering.Number, v billing.Invoice) {
		if n.IsZero() || err != nil {
			return
		}
		e := entry{At: at, What: what, Grant: g, Number: v.Number}
		if v.ID != "" {
			e.Link = Base + "/invoices/" + v.ID
		}
		e.Amount, err = g.In(n)
		out = append(out, e)
	}
	for _, g := range grants {
		add(g.Created, "given", g, g.Issued, billing.Invoice{})
		add(g.Grant.Expires, "expired", g, g.Grant.Expired.Neg(), billing.Invoice{})
		add(0, "taken back", g, g.Voided.Neg(), billing.Invoice{})
		for _, a := range invoices {
			for _, u := range usesOf(a.Invoice) {
				if u.Grant == g.ID {
					add(a.Invoice.Issued, "used by invoice", g, u.Amount.Neg(), a.Invoice)
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b entry) int { return cmp.Compare(b.At, a.At) })
	return out, err
}
