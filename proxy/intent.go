package proxy

import (
	"errors"

	"github.com/weirhq/weir/metering"
)

// intent writes the call down before the upstream is called. A call that cannot
// be written down follows its customer's policy.
func (x *exchange) intent() *refusal {
	err := x.s.o.Journal.Begin(&x.event.Call)
	switch {
	case err == nil:
		x.begun = true
		return nil
	case x.observed():
		x.unrecorded(err)
		return nil
	case errors.Is(err, metering.ErrFenced):
		if x.s.fenced.CompareAndSwap(false, true) {
			x.s.log.Error("the journal was taken over: no more calls are authorised", "error", err)
		}
		return &refusal{status: 503, code: "fenced", message: "Another process has taken over. Send the request again.", closing: true}
	case x.principal.Customer.OnLoss == metering.LossPass:
		x.unrecorded(err)
		return nil
	default:
		return &refusal{status: 503, code: "not_recordable", message: "The call cannot be recorded now and was not made. Try again later.", err: err}
	}
}
