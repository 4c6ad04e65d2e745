package sqlstore

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// appendJSON appends the document as encoding/json would write it. Every event
// is written once, and reflection costs as much as deflating does.
func (d *document) appendJSON(b []byte) ([]byte, error) {
	w := jsonWriter{b: append(b, '{')}
	w.number("e", int64(d.End))
	w.number("f", int64(d.FirstByte))
	w.text("u", d.Upstream)
	w.text("n", d.Endpoint)
	w.flag("s", d.Stream)
	w.number("b", d.BodyBytes)
	w.number("o", d.BytesOut)
	w.text("p", d.ProviderID)
	w.text("i", d.ObjectID)
	w.text("c", d.ClientID)
	w.text("z", d.Run)
	w.text("ec", d.ErrorCode)
	w.text("m", d.Served)
	w.text("x", d.Finish)
	w.text("t", d.Terminal)
	w.number("k", int64(d.Objects))
	w.text("st", d.Tier)
	w.text("rg", d.Region)
	w.text("sp", d.Speed)
	w.text("dp", d.Deployment)
	w.other("tk", d.Tokens, d.Tokens != nil)
	w.other("ti", d.Input, d.Input != nil)
	w.other("to", d.Output, d.Output != nil)
	w.other("tt", d.Total, d.Total != nil)
	w.flag("ht", d.HasTotal)
	w.other("q", d.Quantities, len(d.Quantities) > 0)
	w.other("ab", d.Attributes, len(d.Attributes) > 0)
	w.other("bm", d.ByModel, len(d.ByModel) > 0)
	w.other("fl", d.Flags, len(d.Flags) > 0)
	w.other("es", d.Estimate, d.Estimate != nil)
	w.other("sc", d.StatedCost, d.StatedCost != nil)
	w.other("er", d.Error, d.Error != nil)
	w.number("pa", int64(d.PricedAt))
	w.text("cr", d.CostReason)
	w.list("r", d.Rates)
	w.text("v", d.Book)
	w.text("co", d.Corrects)
	w.text("x1", d.ExternalID)
	w.text("x2", d.ExtCust)
	w.other("l", d.Labels, len(d.Labels) > 0)
	w.raw("pr", d.Properties)
	w.raw("raw", d.Raw)
	w.text("sm", d.SentModel)
	w.other("sn", d.Session, !d.Session.IsZero())
	w.other("at", d.Attempts, len(d.Attempts) > 0)
	w.text("cp", string(d.CostPolicy))
	w.other("cc", d.Computed, d.Computed != nil)
	w.other("pl", d.Pools, len(d.Pools) > 0)
	w.flag("ss", d.Summed)
	return append(w.b, '}'), w.err
}

// jsonWriter appends the members of an object that are not empty.
type jsonWriter struct {
	b   []byte
	err error
}

// key begins a member; names have nothing to escape.
func (w *jsonWriter) key(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), `":`...)
}

func (w *jsonWriter) number(name string, n int64) {
	if n != 0 {
		w.key(name)
		w.b = strconv.AppendInt(w.b, n, 10)
	}
}

func (w *jsonWriter) flag(name string, set bool) {
	if set {
		w.key(name)
		w.b = append(w.b, "true"...)
	}
}

func (w *jsonWriter) text(name, s string) {
	if s != "" {
		w.key(name)
		w.quote(s)
	}
}

func (w *jsonWriter) list(name string, texts []string) {
	if len(texts) == 0 {
		return
	}
	w.key(name)
	w.b = append(w.b, '[')
	for i, s := range texts {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quote(s)
	}
	w.b = append(w.b, ']')
}

// quote leaves what needs escaping, or is no UTF-8, to encoding/json.
func (w *jsonWriter) quote(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.marshal(s)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), s...), '"')
}

func (w *jsonWriter) other(name string, v any, set bool) {
	if set {
		w.key(name)
		w.marshal(v)
	}
}

// raw writes JSON without the space in it.
func (w *jsonWriter) raw(name string, text json.RawMessage) {
	if len(text) == 0 {
		return
	}
	w.key(name)
	compact := bytes.NewBuffer(w.b)
	if err := json.Compact(compact, text); err != nil && w.err == nil {
		w.err = err
	}
	w.b = compact.Bytes()
}

func (w *jsonWriter) marshal(v any) {
	text, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.b = append(w.b, text...)
}
