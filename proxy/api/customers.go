package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Bounds of what is stored, in characters.
const (
	maxName     = 200
	maxExternal = 128
)

func (s *Server) listCustomers(c *call) (answer, error) {
	limit, cursor := c.query.limit(), c.query.cursor()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	items, next, err := s.opts.Store.Customers(c.Context(), c.org, limit, cursor)
	if err != nil {
		return answer{}, pageError(err)
	}
	return ok(page(items, next, showCustomer))
}

// pageError says that what was invalid is the cursor: everything else of a list
// has been checked before the store is asked.
func pageError(err error) error {
	if errors.Is(err, metering.ErrInvalid) {
		return invalid(FieldError{"query.cursor", "is not one that this list gave out"})
	}
	return fmt.Errorf("list: %w", err)
}

func (s *Server) createCustomer(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	fresh := metering.Customer{
		Org:        c.org,
		ExternalID: o.label("external_id", 1, maxExternal),
		Name:       o.label("name", 0, maxName),
		OnLoss:     choice(o, "on_loss", metering.LossRefuse, metering.LossPass),
		Created:    c.at(),
	}
	usagePolicies(o, &fresh)
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	made, err := s.opts.Store.CreateCustomer(c.Context(), fresh)
	if errors.Is(err, metering.ErrConflict) {
		return answer{}, problem(CodeConflict, fmt.Sprintf("a customer with the external id %q exists", fresh.ExternalID))
	}
	if err != nil {
		return answer{}, fmt.Errorf("create customer: %w", err)
	}
	s.reload(c.Context())
	return created(showCustomer(made))
}

// usagePolicies reads the customer's own policies about usage where they are
// given; "" gives them up.
func usagePolicies(o *object, c *metering.Customer) {
	if o.has("include_usage") {
		c.IncludeUsage = choice(o, "include_usage", "", metering.AskSplice, metering.AskLeave, metering.AskEstimate, metering.AskRefuse)
	}
	if o.has("missing_usage") {
		c.MissingUsage = choice(o, "missing_usage", "", metering.MissingBill, metering.MissingZero, metering.MissingHold)
	}
}

// reload has the ring read the keys again. The change is made and stays made:
// if this fails, the ring's own polling catches up.
func (s *Server) reload(ctx context.Context) {
	if err := s.opts.Ring.Reload(ctx); err != nil {
		s.opts.Logger.WarnContext(ctx, "read the keys again after a change", "error", err)
	}
}

// customer finds the customer that a reference names.
func (s *Server) customer(c *call, ref string) (metering.Customer, error) {
	found, err := s.opts.Store.Customer(c.Context(), c.org, ref)
	if errors.Is(err, metering.ErrNotFound) {
		return found, notFound("customer", ref)
	}
	if err != nil {
		return found, fmt.Errorf("find customer: %w", err)
	}
	return found, nil
}

// customerID is customer for an optional parameter; empty stays empty.
func (s *Server) customerID(c *call, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	found, err := s.customer(c, ref)
	return found.ID, err
}

func (s *Server) showCustomer(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	found, err := s.customer(c, c.PathValue("customer"))
	if err != nil {
		return answer{}, err
	}
	return ok(showCustomer(found))
}

func (s *Server) updateCustomer(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	changed, err := s.customer(c, c.PathValue("customer"))
	if err != nil {
		return answer{}, err
	}
	if o.has("name") {
		changed.Name = o.label("name", 0, maxName)
	}
	if o.has("on_loss") {
		changed.OnLoss = choice(o, "on_loss", metering.LossRefuse, metering.LossPass)
	}
	usagePolicies(o, &changed)
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	if err := s.opts.Store.UpdateCustomer(c.Context(), changed); err != nil {
		return answer{}, fmt.Errorf("update customer: %w", err)
	}
	s.reload(c.Context())
	return ok(showCustomer(changed))
}

func (s *Server) archiveCustomer(c *call) (answer, error) {
	if err := c.empty(); err != nil {
		return answer{}, err
	}
	found, err := s.customer(c, c.PathValue("customer"))
	if err != nil {
		return answer{}, err
	}
	if found.Archived == 0 {
		if err := s.opts.Store.ArchiveCustomer(c.Context(), c.org, found.ID, c.at()); err != nil {
			return answer{}, fmt.Errorf("archive customer: %w", err)
		}
		found.Archived = c.at()
		s.reload(c.Context())
	}
	return ok(showCustomer(found))
}

// empty refuses a body or parameters where there are none to give.
func (c *call) empty() error {
	o, err := c.document()
	if err != nil {
		return err
	}
	o.close()
	return c.query.close()
}
