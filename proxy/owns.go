package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// Objects knows who has created what a provider keeps. All customers share the
// operator's account there, so to the provider everything is everybody's.
type Objects interface {
	// Owned returns nil if the customer has created all of the objects and deleted
	// none. An error that wraps metering.ErrNotFound says that one is another's or
	// nobody's; what is said, and how long it takes, does not tell which.
	Owned(ctx context.Context, org, customer, provider string, list []dialect.Object) error

	// Foreign returns nil unless one of the objects is known to be another
	// customer's, or to be deleted: then its error wraps metering.ErrNotFound. What
	// nobody here has created is the operator's own.
	Foreign(ctx context.Context, org, customer, provider string, list []dialect.Object) error

	// Ready returns an error if Created could not record anything now.
	Ready(ctx context.Context) error

	// Noted is told early of an object whose owner the event of c will show to
	// everybody once it is shipped. It does not wait for anything.
	Noted(c *metering.Call, o dialect.Object)

	// Created records that c has created o with a request to path, which is behind
	// the upstream's base URL, query included. What it has recorded is durable when it
	// returns. The first customer of an object stays its owner, so it can be called
	// again.
	Created(ctx context.Context, c *metering.Call, o dialect.Object, path string) error

	// Deleted records that the object is gone.
	Deleted(ctx context.Context, org, provider string, o dialect.Object) error
}

// objectsLimit is how long a call waits for the owners of objects.
const objectsLimit = 5 * time.Second

// shares reports whether the call uses an account that customers share, so that
// it matters whose objects it touches.
func (x *exchange) shares() bool {
	return x.s.o.Objects != nil && !x.up.ClientAuth && !x.observed()
}

// reaches decides whether a stateful path may be called at all.
func (x *exchange) reaches() *refusal {
	switch {
	case x.route.Class != dialect.Stateful || x.up.ClientAuth:
		return nil
	case x.s.o.Objects == nil:
		return forbidden("stateful_not_supported", "This path touches stored objects, whose owner is not known here.")
	case x.route.Listing:
		return notListed()
	case x.route.Uncounted && !x.principal.Permitted(metering.PermitRaw):
		return forbidden("route_not_allowed", "What this path makes the provider charge cannot be counted, and this key has no permission to call such paths.")
	}
	return nil
}

func notListed() *refusal {
	return forbidden("listing_not_allowed", "This path shows or changes what belongs to all customers of this server. Keep the ids that your own calls return and name those in the path.")
}

// owns lets a call touch only what its customer has created, and create only what
// can be recorded.
func (x *exchange) owns() *refusal {
	if !x.shares() {
		return nil
	}
	if f := x.overrides(); f != nil {
		return f
	}
	if f := x.formed(); f != nil {
		return f
	}
	if x.route.Class == dialect.Stateful && len(x.route.Objects)+len(x.asked.References) == 0 && x.route.Creates == "" && x.stream == nil {
		return notListed()
	}
	if f := x.mine(x.route.Objects, x.s.o.Objects.Owned); f != nil {
		return f
	}
	if f := x.mine(x.asked.References, x.s.o.Objects.Foreign); f != nil {
		return f
	}
	if x.route.Creates == "" || !x.durable(x.route.Creates) {
		return nil
	}
	if f := x.leavesOut(); f != nil {
		return f
	}
	ctx, cancel := context.WithTimeout(context.Background(), objectsLimit)
	defer cancel()
	if err := x.s.o.Objects.Ready(ctx); err != nil {
		return &refusal{status: 503, code: "not_recordable", message: "Whose object this would be cannot be recorded now, so it was not created. Try again later.", err: err}
	}
	return nil
}

// formed reads the references in a form that is held. Those in JSON have been
// read with the model.
func (x *exchange) formed() *refusal {
	if x.stream != nil || x.body == nil || x.opaque() || !strings.HasPrefix(strings.ToLower(known(x.req.contentType)), "multipart/") {
		return nil
	}
	read := dialect.NewReferenceReader(x.route, known(x.req.contentType))
	if read == nil {
		return nil
	}
	read.Feed(x.body.b)
	found, err := read.References()
	if err != nil {
		return unclearReferences(err)
	}
	x.asked.References = found
	return nil
}

// ownsStreamed decides on the references in a body that was streamed but for its
// last byte. What is not seen does not pass: the reader refuses what it cannot
// read.
func (x *exchange) ownsStreamed(u *upload) *refusal {
	if u.references == nil {
		return nil
	}
	found, err := u.references.References()
	if err != nil {
		return unclearReferences(err)
	}
	x.asked.References = found
	if x.route.Class == dialect.Stateful && len(x.route.Objects)+len(found) == 0 && x.route.Creates == "" {
		return notListed()
	}
	return x.mine(found, x.s.o.Objects.Foreign)
}

func unclearReferences(err error) *refusal {
	return &refusal{
		status: 400, code: "unclear_references", err: err,
		message: "The stored objects that the body names cannot be told: there are too many, one is not an id, a form is not whole, or the text is not UTF-8.",
	}
}

// ask is how much has to be known of objects: those that a path names must have
// been created by the customer. A body may also name what the operator has made
// past Weir for all of them, such as a vector store, so only another customer's
// objects are refused there.
type ask = func(ctx context.Context, org, customer, provider string, list []dialect.Object) error

// mine refuses objects that are not for the customer.
func (x *exchange) mine(list []dialect.Object, allowed ask) *refusal {
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), objectsLimit)
	defer cancel()
	err := allowed(ctx, x.event.Org, x.event.Customer, x.up.Provider, list)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, metering.ErrNotFound):
		return &refusal{status: 404, code: "not_found", message: "There is no such object. It may have been deleted, or created with another customer's key; an item of an earlier answer can be sent whole instead of by its id.", err: err}
	default:
		return &refusal{status: 503, code: "objects_unavailable", message: "Whose object this is cannot be told now. Try again later.", err: err}
	}
}

// durable reports whether an object of that kind gets a record of its own before
// the client has the end of the answer. Answers are named by their events, and
// their items are too many.
func (x *exchange) durable(kind string) bool {
	switch kind {
	case dialect.KindResponse, dialect.KindInteraction:
		return x.asked.Background
	case dialect.KindCompletion, dialect.KindItem, dialect.KindPrediction:
		return false
	default:
		return true
	}
}

// note tells of what the answer has made so far. A client may go on with it
// before the answer has ended.
func (x *exchange) note() {
	if x.maker == nil {
		return
	}
	made := x.maker.Made()
	for _, o := range made[len(x.made):] {
		if !x.durable(o.Kind) {
			x.s.o.Objects.Noted(&x.event.Call, o)
		}
	}
	x.made = made
}

// keep records what the call has created or deleted, behind its fact: what fails
// here can be told from that later.
func (x *exchange) keep() {
	if !x.shares() || x.event.Status >= http.StatusMultipleChoices || x.event.Status == 0 && len(x.made) == 0 {
		return
	}
	asked, polls := x.polled()
	deletes := x.route.Deletes && x.event.Status != 0
	if len(x.made) == 0 && !polls && !deletes {
		return // nearly every call
	}
	ctx, cancel := context.WithTimeout(context.Background(), objectsLimit)
	defer cancel()
	for _, o := range x.made {
		if !x.durable(o.Kind) {
			continue
		}
		if err := x.s.o.Objects.Created(ctx, &x.event.Call, o, x.creation); err != nil {
			x.s.unowned.Add(1)
			x.s.log.Error("the owner of an object was not recorded", "event", x.event.ID.String(), "customer", x.event.Customer, "kind", o.Kind, "error", err)
		}
	}
	if polls {
		if err := x.s.o.Objects.Created(ctx, &x.event.Call, asked, x.creation); err != nil {
			x.s.log.Warn("an object that was asked for is not followed", "kind", asked.Kind, "event", x.event.ID.String(), "error", err)
		}
	}
	if !deletes {
		return
	}
	if err := x.s.o.Objects.Deleted(ctx, x.event.Org, x.up.Provider, x.route.Objects[0]); err != nil {
		x.s.unowned.Add(1)
		x.s.log.Error("a deletion was not recorded", "event", x.event.ID.String(), "kind", x.route.Objects[0].Kind, "error", err)
	}
}

// polled is the batch or the cached content whose owner has asked how it is, or has
// changed how long the latter is kept. It is told again as if it had just been
// created: if that was lost with a process it is made up for, and whoever follows it
// learns that somebody wants to know, or that it is not as it was last seen.
func (x *exchange) polled() (o dialect.Object, ok bool) {
	if x.route.Class != dialect.Stateful || x.event.Status != http.StatusOK || len(x.route.Objects) != 1 {
		return o, false
	}
	o = x.route.Objects[0]
	switch {
	case o.Kind == dialect.KindBatch && x.req.method == http.MethodGet:
	case o.Kind == dialect.KindCache && (x.req.method == http.MethodGet || x.req.method == http.MethodPatch):
	default:
		return o, false
	}
	return o, strings.HasSuffix(x.rest, "/"+o.ID)
}
