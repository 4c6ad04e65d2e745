package journal

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// The encoders are written by hand because two of them run within every call:
// encoding/json takes six times as long. What is rare goes through
// encoding/json all the same, and a test holds that encoding/json reads back
// every field.

// cellKeys are the member names of the token cells with their punctuation.
var cellKeys = func() (keys [metering.NumCells]string) {
	for c := range keys {
		keys[c] = `"` + metering.Cell(c).String() + `":`
	}
	return keys
}()

const hexDigits = "0123456789abcdef"

// object writes one JSON object: name, then value.
type object struct{ b []byte }

func (o *object) name(name string) {
	b := o.b
	if last := b[len(b)-1]; last != '{' && last != '[' {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), name...), '"', ':')
	o.b = b
}

func (o *object) text(name, value string) {
	if value != "" {
		o.name(name)
		o.b = appendText(o.b, value)
	}
}

func (o *object) number(name string, value int64) {
	if value != 0 {
		o.name(name)
		o.b = strconv.AppendInt(o.b, value, 10)
	}
}

func (o *object) flag(name string, value bool) {
	if value {
		o.name(name)
		o.b = append(o.b, "true"...)
	}
}

// rare writes any value by encoding/json. The types it is used for cannot fail.
func (o *object) rare(name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	o.name(name)
	o.b = append(o.b, text...)
	return nil
}

func (o *object) open(name string) {
	o.name(name)
	o.b = append(o.b, '{')
}

func (o *object) close() { o.b = append(o.b, '}') }

// plain are the bytes that stand for themselves in a JSON string.
var plain = func() (plain [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

// appendText appends s as a JSON string. Invalid UTF-8 becomes U+FFFD, as with
// encoding/json.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if !plain[s[i]] {
			return appendEscaped(append(b, s[:i]...), s[i:])
		}
	}
	return append(append(b, s...), '"')
}

func appendEscaped(b []byte, s string) []byte {
	for _, r := range s { // an invalid byte comes as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

func (o *object) call(c *metering.Call) {
	o.text("org", c.Org)
	o.text("customer", c.Customer)
	o.text("key", c.Key)
	o.text("upstream", c.Upstream)
	o.text("provider", c.Provider)
	o.text("endpoint", c.Endpoint)
	o.flag("metered", c.Metered)
	o.text("model", c.Model)
	o.flag("stream", c.Stream)
	o.flag("test", c.Test)
	if len(c.Tags) > 0 {
		o.name("tags")
		o.b = append(o.b, '[')
		for i, tag := range c.Tags {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			o.b = append(o.b, '{')
			o.text("name", tag.Name)
			o.text("value", tag.Value)
			o.close()
		}
		o.b = append(o.b, ']')
	}
	o.text("run", c.Run)
	o.text("client_id", c.ClientID)
	o.number("body_bytes", c.BodyBytes)
}

func (o *object) tokens(t *metering.Tokens) {
	o.open("tokens")
	first := true
	for c, n := range t {
		if n == 0 {
			continue
		}
		if !first {
			o.b = append(o.b, ',')
		}
		first = false
		o.b = append(o.b, cellKeys[c]...)
		o.b = strconv.AppendInt(o.b, n, 10)
	}
	o.close()
}

// usage writes u without Raw, which follows the JSON verbatim: it may be cut
// off or not be JSON at all, and must not make the record unreadable.
func (o *object) usage(u *metering.Usage) error {
	o.text("state", string(u.State))
	o.tokens(&u.Tokens)
	o.number("input", u.Input)
	o.number("output", u.Output)
	o.number("total", u.Total)
	o.flag("has_total", u.HasTotal)
	o.text("model", u.Model)
	o.text("service_tier", u.ServiceTier)
	o.text("region", u.Region)
	o.text("object_id", u.ObjectID)
	o.text("finish", u.Finish)
	o.text("terminal", u.Terminal)
	o.number("objects", int64(u.Objects))
	return o.usageExtras(u)
}

func (o *object) usageExtras(u *metering.Usage) (err error) {
	rare := func(name string, value any) {
		if err == nil {
			err = o.rare(name, value)
		}
	}
	if len(u.Quantities) > 0 {
		rare("quantities", u.Quantities)
	}
	if len(u.ByModel) > 0 {
		rare("by_model", u.ByModel)
	}
	if len(u.Flags) > 0 {
		rare("flags", u.Flags)
	}
	if u.Estimate != nil {
		rare("estimate", u.Estimate)
	}
	if u.StatedCost != nil {
		rare("stated_cost", u.StatedCost)
	}
	if u.Error != nil {
		rare("error", u.Error)
	}
	return err
}

// appendIntent appends the payload of an intent.
func appendIntent(b []byte, c *metering.Call) []byte {
	o := object{append(b, 0, 0, 0, 0, '{')}
	o.call(c)
	o.close()
	return sealed(o.b, len(b))
}

// appendCheckpoint appends the payload of a checkpoint.
func appendCheckpoint(b []byte, u *metering.Usage) ([]byte, error) {
	o := object{append(b, 0, 0, 0, 0, '{')}
	if err := o.usage(u); err != nil {
		return b, err
	}
	o.close()
	return appendBlob(sealed(o.b, len(b)), u.Raw), nil
}

// appendFact appends the payload of a fact.
func appendFact(b []byte, e *metering.Event) ([]byte, error) {
	o := object{append(b, 0, 0, 0, 0, '{')}
	o.call(&e.Call)
	o.text("name", e.Name)
	o.number("end", int64(e.End))
	o.text("outcome", string(e.Outcome))
	o.number("status", int64(e.Status))
	o.number("first_byte", int64(e.FirstByte))
	o.text("provider_id", e.ProviderID)
	o.number("bytes_out", e.BytesOut)
	o.text("error_code", e.ErrorCode)
	o.open("usage")
	if err := o.usage(&e.Usage); err != nil {
		return b, err
	}
	o.close()
	if err := o.priced(e); err != nil {
		return b, err
	}
	o.text("external_id", e.ExternalID)
	o.text("external_customer", e.ExternalCustomer)
	o.close()
	return appendBlob(appendBlob(sealed(o.b, len(b)), e.Usage.Raw), e.Properties), nil
}

// priced writes what another source may have stated; a proxied call has none
// of it before it is shipped.
func (o *object) priced(e *metering.Event) error {
	o.text("cost_state", string(e.CostState))
	o.text("cost_reason", e.CostReason)
	o.text("book", e.Book)
	if !e.Cost.IsZero() {
		if err := o.rare("cost", e.Cost); err != nil {
			return err
		}
	}
	if len(e.Rates) > 0 {
		return o.rare("rates", e.Rates)
	}
	return nil
}

// sealed sets the length in front of the JSON that began at start.
func sealed(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

func appendBlob(b, blob []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(blob)))
	return append(b, blob...)
}
