package api

import (
	"errors"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Product is what customers subscribe to.
type Product struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Interval   string            `json:"interval"`   // length of a period: 1mo, 3mo, 6mo or 12mo
	TrialDays  int               `json:"trial_days"` // 0: no trial
	TrialUsage billing.TrialRule `json:"trial_usage"`
	Prices     []Price           `json:"prices"` // every version, by meter and when it comes into force
	CreatedAt  Instant           `json:"created_at"`
	ArchivedAt Instant           `json:"archived_at"`
}

// Price is one version of what a product charges for a meter: Amount currency
// units for Per units of the meter.
type Price struct {
	ID        string             `json:"id"`
	ProductID string             `json:"product_id"`
	MeterID   string             `json:"meter_id"`
	Meter     string             `json:"meter"`
	Model     billing.PriceModel `json:"model"`
	Currency  billing.Currency   `json:"currency"`
	Amount    metering.Number    `json:"amount"`
	Per       int64              `json:"per"`
	Included  metering.Number    `json:"included"` // units of each period that cost nothing
	From      Instant            `json:"from"`     // null: from the beginning
	CreatedAt Instant            `json:"created_at"`
}

func (l *lookup) showPrice(p billing.Price) (Price, error) {
	name, err := l.meter(p.Meter)
	return Price{
		p.ID, p.Product, p.Meter, name, p.Model, p.Currency, p.Amount, p.Per, p.Included, Instant(p.From), Instant(p.Created),
	}, err
}

func (l *lookup) showProduct(p billing.Product) (Product, error) {
	prices, err := each(p.Prices, l.showPrice)
	return Product{
		ID: p.ID, Name: p.Name, Interval: intervalOf(p.Months), TrialDays: p.TrialDays, TrialUsage: p.TrialUsage,
		Prices: prices, CreatedAt: Instant(p.Created), ArchivedAt: Instant(p.Archived),
	}, err
}

// Bounds of a product.
const (
	maxPrices    = 50
	maxTrialDays = 366
	maxPer       = 1_000_000_000_000
)

func (s *Server) listProducts(c *call) (answer, error) {
	limit, cursor := c.query.limit(), c.query.cursor()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	items, next, err := s.opts.Billing.Store.Products(c.Context(), c.org, limit, cursor)
	if err != nil {
		return answer{}, pageError(err)
	}
	return answered(pageOf(items, next, s.lookup(c).showProduct))
}

// answered is ok for a value that may have failed to be made.
func answered[T any](value T, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return ok(value)
}

func (s *Server) createProduct(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	p := billing.Product{
		Org: c.org, Name: o.label("name", 1, maxName), Months: monthsOf(choice(o, "interval", intervals()...)),
		TrialDays:  int(o.integer("trial_days", 0, 0, maxTrialDays)),
		TrialUsage: choice(o, "trial_usage", billing.TrialFree, billing.TrialBilled), Created: c.at(),
	}
	for i, raw := range o.list("prices", maxPrices) {
		part := readObject(raw, fmt.Sprintf("%s[%d]", o.at("prices"), i), o.faults)
		p.Prices = append(p.Prices, readPrice(part))
		part.close()
	}
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	for i := range p.Prices {
		if p.Prices[i].Meter, err = s.meterID(c, p.Prices[i].Meter); err != nil {
			return answer{}, err
		}
	}
	made, err := s.opts.Billing.Store.CreateProduct(c.Context(), p)
	if errors.Is(err, metering.ErrConflict) {
		return answer{}, problem(CodeConflict, fmt.Sprintf("a product named %q exists", p.Name))
	}
	if err != nil {
		return answer{}, fmt.Errorf("create product: %w", err)
	}
	shown, err := s.lookup(c).showProduct(made)
	if err != nil {
		return answer{}, err
	}
	return created(shown)
}

// readPrice reads a price but for when it comes into force. Its meter is still
// as it was named.
func readPrice(o *object) billing.Price {
	p := billing.Price{
		Meter: o.label("meter", 1, 512), Model: choice(o, "model", billing.PerUnit, billing.PerPackage),
		Currency: o.currency("currency"), Per: o.integer("per", 1, 1, maxPer),
	}
	var given bool
	if p.Amount, given = o.decimal("amount"); !given {
		o.fault("amount", "is required")
	}
	p.Included, _ = o.decimal("included") // absent: nothing is
	return p
}

// meterID is the id of a meter that is named by id or name.
func (s *Server) meterID(c *call, ref string) (string, error) {
	m, err := s.opts.Store.Meter(c.Context(), c.org, ref)
	return m.ID, found(err, "meter", ref)
}

// product finds the product that a reference names.
func (s *Server) product(c *call, ref string) (billing.Product, error) {
	p, err := s.opts.Billing.Store.Product(c.Context(), c.org, ref)
	return p, found(err, "product", ref)
}

func (s *Server) showProduct(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	p, err := s.product(c, c.PathValue("product"))
	if err != nil {
		return answer{}, err
	}
	return answered(s.lookup(c).showProduct(p))
}

func (s *Server) updateProduct(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	name := o.label("name", 1, maxName)
	o.close() // periods and trials are part of running contracts; prices have versions
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	p, err := s.product(c, c.PathValue("product"))
	if err != nil {
		return answer{}, err
	}
	err = s.opts.Billing.Store.RenameProduct(c.Context(), c.org, p.ID, name)
	if errors.Is(err, metering.ErrConflict) {
		return answer{}, problem(CodeConflict, fmt.Sprintf("a product named %q exists", name))
	}
	if err != nil {
		return answer{}, fmt.Errorf("rename product: %w", err)
	}
	p.Name = name
	return answered(s.lookup(c).showProduct(p))
}

func (s *Server) archiveProduct(c *call) (answer, error) {
	if err := c.empty(); err != nil {
		return answer{}, err
	}
	p, err := s.product(c, c.PathValue("product"))
	if err != nil {
		return answer{}, err
	}
	if p.Archived == 0 {
		if err := s.opts.Billing.Store.ArchiveProduct(c.Context(), c.org, p.ID, c.at()); err != nil {
			return answer{}, fmt.Errorf("archive product: %w", err)
		}
		p.Archived = c.at()
	}
	return answered(s.lookup(c).showProduct(p))
}

func (s *Server) addPrice(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	v := readPrice(o)
	if v.From = o.instant("from"); v.From != 0 && v.From < c.at() {
		o.fault("from", "is in the past, where usage has its price")
	}
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	p, err := s.product(c, c.PathValue("product"))
	if err != nil {
		return answer{}, err
	}
	v.Product = p.ID
	if v.Meter, err = s.meterID(c, v.Meter); err != nil {
		return answer{}, err
	}
	made, err := s.opts.Billing.Store.AddPrice(c.Context(), c.org, v, c.at())
	if err != nil {
		return answer{}, fmt.Errorf("add price: %w", err)
	}
	shown, err := s.lookup(c).showPrice(made)
	if err != nil {
		return answer{}, err
	}
	return created(shown)
}
