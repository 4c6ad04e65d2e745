package metering

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the event as encoding/json would write it: the same
// members with the same values. Every event is written to the database once in
// this form, and reflection would cost more than the insert.
func (e *Event) AppendJSON(b []byte) ([]byte, error) {
	w := jsonWriter{b: append(b, '{')}
	e.Call.appendJSON(&w)
	w.text("name", e.Name, true)
	w.number("end", int64(e.End), false)
	w.text("outcome", string(e.Outcome), false)
	w.number("status", int64(e.Status), false)
	w.key("usage")
	e.Usage.appendJSON(&w)
	w.number("first_byte", int64(e.FirstByte), false)
	w.text("provider_id", e.ProviderID, false)
	w.number("bytes_out", e.BytesOut, false)
	w.text("error_code", e.ErrorCode, false)
	w.text("cost", e.Cost.String(), true)
	w.text("cost_state", string(e.CostState), false)
	w.text("cost_reason", e.CostReason, false)
	if len(e.Rates) > 0 {
		w.other("rates", e.Rates)
	}
	w.text("book", e.Book, false)
	w.text("external_id", e.ExternalID, false)
	w.text("external_customer", e.ExternalCustomer, false)
	if len(e.Properties) > 0 {
		w.other("properties", e.Properties)
	}
	return append(w.b, '}'), w.err
}

func (c *Call) appendJSON(w *jsonWriter) {
	w.key("id")
	if c.ID.IsZero() {
		w.b = append(w.b, "null"...)
	} else {
		w.b = append(w.b, '"')
		text, err := c.ID.AppendText(w.b)
		w.b = append(text, '"')
		w.fail(err)
	}
	w.text("org", c.Org, true)
	w.text("customer", c.Customer, true)
	w.text("key", c.Key, true)
	w.number("at", int64(c.At), true)
	w.text("upstream", c.Upstream, true)
	w.text("provider", c.Provider, true)
	w.text("endpoint", c.Endpoint, true)
	w.flag("metered", c.Metered, true)
	w.text("model", c.Model, false)
	w.flag("stream", c.Stream, false)
	w.flag("test", c.Test, false)
	if len(c.Tags) > 0 {
		w.other("tags", c.Tags)
	}
	w.text("run", c.Run, false)
	w.text("client_id", c.ClientID, false)
	w.number("body_bytes", c.BodyBytes, false)
}

func (u *Usage) appendJSON(w *jsonWriter) {
	w.b = append(w.b, '{')
	w.text("state", string(u.State), true)
	w.key("tokens")
	w.b = u.Tokens.appendJSON(w.b)
	w.number("input", u.Input, true)
	w.number("output", u.Output, true)
	w.number("total", u.Total, false)
	w.flag("has_total", u.HasTotal, false)
	if len(u.Quantities) > 0 {
		w.other("quantities", u.Quantities)
	}
	if len(u.ByModel) > 0 {
		w.other("by_model", u.ByModel)
	}
	if len(u.Flags) > 0 {
		w.other("flags", u.Flags)
	}
	if u.Estimate != nil {
		w.other("estimate", u.Estimate)
	}
	if u.StatedCost != nil {
		w.other("stated_cost", u.StatedCost)
	}
	w.text("model", u.Model, false)
	w.text("service_tier", u.ServiceTier, false)
	w.text("region", u.Region, false)
	w.text("object_id", u.ObjectID, false)
	w.text("finish", u.Finish, false)
	w.text("terminal", u.Terminal, false)
	w.number("objects", int64(u.Objects), false)
	if u.Error != nil {
		w.other("error", u.Error)
	}
	if len(u.Raw) > 0 {
		w.other("raw", u.Raw)
	}
	w.b = append(w.b, '}')
}

// jsonWriter appends the members of objects. After the first error what it
// wrote is worth nothing.
type jsonWriter struct {
	b   []byte
	err error
}

func (w *jsonWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// key appends the name of a member, none of which needs to be escaped.
func (w *jsonWriter) key(name string) {
	if last := w.b[len(w.b)-1]; last != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), `":`...)
}

func (w *jsonWriter) text(name, value string, always bool) {
	if value == "" && !always {
		return
	}
	w.key(name)
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c >= utf8.RuneSelf {
			w.value(value)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), value...), '"')
}

func (w *jsonWriter) number(name string, value int64, always bool) {
	if value == 0 && !always {
		return
	}
	w.key(name)
	w.b = strconv.AppendInt(w.b, value, 10)
}

func (w *jsonWriter) flag(name string, value, always bool) {
	if value || always {
		w.key(name)
		w.b = strconv.AppendBool(w.b, value)
	}
}

// other appends what is too rare to be written by hand.
func (w *jsonWriter) other(name string, value any) {
	w.key(name)
	w.value(value)
}

func (w *jsonWriter) value(v any) {
	b, err := json.Marshal(v)
	w.fail(err)
	w.b = append(w.b, b...)
}
