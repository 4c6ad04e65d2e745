package api

import (
	"fmt"
	"slices"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// maxPriceNote bounds what people say of a change, in characters.
const maxPriceNote = 200

// ownLayer reads the layer of a change: one of those that belong to the operator.
func (o *object) ownLayer() catalogue.Level {
	if choice(o, "layer", catalogue.Operator.String(), catalogue.Account.String()) == catalogue.Account.String() {
		return catalogue.Account
	}
	return catalogue.Operator
}

// addPrices adds rows to the operator's or the account's layer.
func (s *Server) addPrices(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	level, note := o.ownLayer(), o.label("note", 0, maxPriceNote)
	var rows catalogue.Rows
	if raw, there := o.take("rows"); !there {
		o.fault("rows", "is required")
	} else if rows, err = catalogue.Decode(raw); err != nil {
		o.fault("rows", "%v", err)
	}
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	done, err := s.amend(c, level, func(base *catalogue.Layer) (catalogue.Rows, error) {
		return rows, s.superseding(base, &rows)
	}, note)
	if err != nil {
		return answer{}, err
	}
	return created(showChange(done))
}

// superseding holds that what rows say they supersede is there.
func (s *Server) superseding(base *catalogue.Layer, rows *catalogue.Rows) error {
	b := s.opts.Prices.book()
	known := func(id string) bool {
		_, _, rate := b.Rate(id)
		_, _, modifier := b.Modifier(id)
		return id == "" || rate || modifier || base != nil &&
			(slices.ContainsFunc(base.Rates, func(r catalogue.Rate) bool { return r.ID == id }) ||
				slices.ContainsFunc(base.Modifiers, func(m catalogue.Modifier) bool { return m.ID == id }))
	}
	var f faults
	for i, r := range rows.Rates {
		if !known(r.Supersedes) {
			f.add(fmt.Sprintf("rows.rates[%d].supersedes", i), "is the id of no rate: %.200q", r.Supersedes)
		}
	}
	for i, m := range rows.Modifiers {
		if !known(m.Supersedes) {
			f.add(fmt.Sprintf("rows.modifiers[%d].supersedes", i), "is the id of no modifier: %.200q", m.Supersedes)
		}
	}
	return f.problem()
}

// removePrice takes a rate out, by a row over it that has no price.
func (s *Server) removePrice(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	r := PriceRemoval{Rate: o.text("rate", 1, 1000), Layer: o.ownLayer(), Restore: o.boolean("restore"), Note: o.label("note", 0, maxPriceNote)}
	if at := Instant(o.instant("from")); at != 0 {
		r.From = &at
	}
	if r.From != nil && r.Restore {
		o.fault("from", "and restore exclude each other: a price that was never meant did not end")
	}
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	done, err := s.amend(c, r.Layer, func(base *catalogue.Layer) (catalogue.Rows, error) { return s.removal(base, r) }, r.Note)
	if err != nil {
		return answer{}, err
	}
	return created(showChange(done))
}

// removal is the row that takes a rate out.
func (s *Server) removal(base *catalogue.Layer, r PriceRemoval) (catalogue.Rows, error) {
	row, level, err := s.rate(base, r)
	if err != nil {
		return catalogue.Rows{}, err
	}
	if level > r.Layer {
		return catalogue.Rows{}, problem(CodeState, fmt.Sprintf("the rate is in layer %s, above %s: remove it there", level, r.Layer))
	}
	if r.Restore && level != r.Layer {
		return catalogue.Rows{}, problem(CodeState, fmt.Sprintf("the rate is in layer %s: only a rate of layer %s can give way to those below", level, r.Layer))
	}
	if base != nil {
		i := slices.IndexFunc(base.Rates, func(x catalogue.Rate) bool { return x.Supersedes == row.ID })
		if i >= 0 {
			return catalogue.Rows{}, problem(CodeState, fmt.Sprintf("the rate is superseded by %s: remove that one", base.Rates[i].ID))
		}
	}
	out := row
	out.ID, out.Supersedes, out.Note, out.Sources = "", "", r.Note, nil
	switch {
	case r.Restore:
		out.Status, out.Supersedes = catalogue.StatusCancelled, row.ID
		return catalogue.Rows{Rates: []catalogue.Rate{out}}, nil
	case r.From == nil && level == r.Layer:
		out.Supersedes = row.ID
	case r.From != nil:
		from := catalogue.Instant(*r.From)
		if from < row.From || row.To != 0 && from >= row.To {
			return catalogue.Rows{}, invalid(FieldError{"from", fmt.Sprintf("is not between the beginning of the rate (%s) and its end (%s)", row.From, row.To)})
		}
		out.From = from
	}
	out.Price, out.Reason, out.Minimum, out.Step, out.Per = nil, "", "", "", 0
	out.Status, out.Guaranteed, out.Confirmed, out.Observed = "", 0, 0, false
	return catalogue.Rows{Rates: []catalogue.Rate{out}}, nil
}

// rate finds the rate that is to be removed, and where it lies.
func (s *Server) rate(base *catalogue.Layer, r PriceRemoval) (catalogue.Rate, catalogue.Level, error) {
	if base != nil {
		for _, x := range base.Rates {
			if x.ID == r.Rate {
				return x, r.Layer, nil
			}
		}
	}
	row, level, ok := s.opts.Prices.book().Rate(r.Rate)
	if !ok {
		return row, level, notFound("rate", r.Rate)
	}
	return row, level, nil
}
