package proxy

import "slices"

// admit decides whether this key may make this call. A body that is streamed
// through is decided on once more before its last byte is let go.
func (x *exchange) admit() *refusal {
	if x.stream != nil && x.asked.Model == "" {
		return nil
	}
	return x.allowModel()
}

// allowModel holds the key to its models. A metered call whose model cannot be
// told is not one of them.
func (x *exchange) allowModel() *refusal {
	if !x.observed() && !x.up.serves(x.asked.Model, x.event.Metered) {
		return forbidden("model_not_allowed", "This model is not served here.")
	}
	models := x.principal.Key.Models
	if len(models) == 0 || x.observed() || !x.event.Metered && x.asked.Model == "" {
		return nil
	}
	if !slices.Contains(models, x.asked.Model) {
		return forbidden("model_not_allowed", "This key may not call this model.")
	}
	return nil
}
