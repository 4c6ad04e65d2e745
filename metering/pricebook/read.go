package pricebook

import (
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// Columns of the two files.
const (
	priceColumns = "provider,model,aliases,dated,from,to,tier,above,prices,unpriced,source,note"
	feeColumns   = "provider,quantity,price,per,except,source,note"
)

// Read reads a book from two CSV files: prices of models and fees for what is
// not a token. Lines that begin with # are comments. Everything that is not
// certain to be meant is ErrInvalid and names the line: an unknown column,
// class of tokens or tier, a name that finds two models at one instant, a price
// that is not a whole number of pico-dollars for one token.
//
// The columns of prices are: the provider as configuration names it; the
// vendor's id of the model; aliases, separated by spaces; "yes" if a date behind
// the id changes nothing; the instants from which and until which (exclusive)
// the line holds, as a date or an RFC 3339 instant; the service tier; the prompt
// tokens above which it holds; prices as "class=dollars per million" with
// "class.*" for every modality that has none of its own; why there is no price,
// where there is none; where the price was read; and a note. Lines of one
// provider, model and "from" are one SKU: the first of them has its aliases,
// "dated", "to" and reason, and each its own conditions.
//
// The columns of fees are: provider, the quantity as the dialects name it, its
// price in dollars for so many, the models that have no such fee, source, note.
func Read(prices, fees io.Reader) (*Book, error) {
	sum := sha256.New()
	lines, err := records(io.TeeReader(prices, sum), priceColumns)
	if err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	feeLines, err := records(io.TeeReader(fees, sum), feeColumns)
	if err != nil {
		return nil, fmt.Errorf("fees: %w", err)
	}
	r := reader{skus: map[string]*SKU{}, book: &Book{providers: map[string]map[string][]*SKU{}}}
	for _, l := range lines {
		if err := r.price(l); err != nil {
			return nil, fmt.Errorf("prices: line %d: %w", l.number, err)
		}
	}
	for _, l := range feeLines {
		if err := r.fee(l); err != nil {
			return nil, fmt.Errorf("fees: line %d: %w", l.number, err)
		}
	}
	if err := r.finish(); err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	r.book.version = hex.EncodeToString(sum.Sum(nil))[:12]
	return r.book, nil
}

// line is one record by column.
type line struct {
	number int
	fields map[string]string
}

func (l line) get(column string) string { return l.fields[column] }

func records(from io.Reader, header string) ([]line, error) {
	columns := strings.Split(header, ",")
	r := csv.NewReader(from)
	r.Comment = '#'
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	if !slices.Equal(head, columns) {
		return nil, fmt.Errorf("columns are %v, want %v: %w", head, columns, metering.ErrInvalid)
	}
	var lines []line
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		number, _ := r.FieldPos(0)
		l := line{number, make(map[string]string, len(fields))}
		for i, f := range fields {
			l.fields[columns[i]] = strings.TrimSpace(f)
		}
		lines = append(lines, l)
	}
}

// reader is a book in the making.
type reader struct {
	book  *Book
	skus  map[string]*SKU // by provider, model and from
	order []*SKU
}

func (r *reader) price(l line) error {
	if l.get("provider") == "" || l.get("model") == "" || l.get("source") == "" {
		return fmt.Errorf("provider, model and source are needed: %w", metering.ErrInvalid)
	}
	key := l.get("provider") + "/" + l.get("model")
	if from := l.get("from"); from != "" {
		key += "@" + from
	}
	s := r.skus[key]
	switch {
	case s == nil:
		var err error
		if s, err = r.sku(l); err != nil {
			return err
		}
		r.skus[key] = s
	case s.unpriced != "" || l.get("unpriced")+l.get("aliases")+l.get("dated")+l.get("to") != "":
		return fmt.Errorf("only the first line of %s may have aliases, dated, to or unpriced: %w", key, metering.ErrInvalid)
	}
	return s.read(key, l)
}

// read adds the prices of a line.
func (s *SKU) read(key string, l line) error {
	if s.unpriced != "" {
		if l.get("prices")+l.get("tier")+l.get("above") != "" {
			return fmt.Errorf("%s is unpriced and has prices: %w", key, metering.ErrInvalid)
		}
		return nil
	}
	set, err := newSet(key, l)
	if err != nil {
		return err
	}
	for i := range s.sets {
		if s.sets[i].tier == set.tier && s.sets[i].above == set.above {
			return fmt.Errorf("%s%s is there twice: %w", key, set.suffix(), metering.ErrInvalid)
		}
	}
	s.sets = append(s.sets, set)
	return nil
}

// sku begins the SKU that a line is the first of, and files it under its names.
func (r *reader) sku(l line) (*SKU, error) {
	s := &SKU{Provider: l.get("provider"), Model: l.get("model"), unpriced: l.get("unpriced")}
	var err error
	if s.From, err = instant(l.get("from")); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if s.To, err = instant(l.get("to")); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	if s.To != 0 && s.To <= s.From {
		return nil, fmt.Errorf("%s ends before it begins: %w", s.Model, metering.ErrInvalid)
	}
	switch l.get("dated") {
	case "":
	case "yes":
		s.dated = true
	default:
		return nil, fmt.Errorf("dated is %q, not yes or empty: %w", l.get("dated"), metering.ErrInvalid)
	}
	if kind, _, _ := strings.Cut(s.unpriced, ":"); s.unpriced != "" && kind != "condition" && kind != "ambiguous" {
		return nil, fmt.Errorf("unpriced is %q, not condition: or ambiguous: %w", s.unpriced, metering.ErrInvalid)
	}
	models := r.book.providers[s.Provider]
	if models == nil {
		models = map[string][]*SKU{}
		r.book.providers[s.Provider] = models
	}
	for _, name := range append([]string{s.Model}, strings.Fields(l.get("aliases"))...) {
		models[name] = append(models[name], s)
	}
	r.order = append(r.order, s)
	return s, nil
}

// newSet reads the conditions and prices of a line.
func newSet(key string, l line) (rateSet, error) {
	set := rateSet{tier: l.get("tier")}
	if !slices.Contains([]string{"", "batch", "flex", "priority"}, set.tier) {
		return set, fmt.Errorf("tier %q: %w", set.tier, metering.ErrInvalid)
	}
	if above := l.get("above"); above != "" {
		n, err := strconv.ParseInt(above, 10, 64)
		if err != nil || n <= 0 {
			return set, fmt.Errorf("above %q: %w", above, metering.ErrInvalid)
		}
		set.above = n
	}
	var wide []string // those with ".*", which yield to the others
	for pair := range strings.FieldsSeq(l.get("prices")) {
		class, price, ok := strings.Cut(pair, "=")
		if !ok {
			return set, fmt.Errorf("price %q: %w", pair, metering.ErrInvalid)
		}
		if strings.HasSuffix(class, ".*") {
			wide = append(wide, pair)
			continue
		}
		cell, err := metering.ParseCell(class)
		if err != nil {
			return set, err
		}
		if set.rates[cell] != nil {
			return set, fmt.Errorf("%s is there twice: %w", class, metering.ErrInvalid)
		}
		if set.rates[cell], err = newRate(key+"/"+class+set.suffix(), price, tokensPer); err != nil {
			return set, err
		}
	}
	for _, pair := range wide {
		if err := set.widen(key, pair); err != nil {
			return set, err
		}
	}
	if set.above == 0 && set.unread() {
		return set, fmt.Errorf("neither prices nor a reason: %w", metering.ErrInvalid)
	}
	return set, nil
}

// widen gives a price to every modality of a class that has none.
func (r *rateSet) widen(key, pair string) error {
	class, price, _ := strings.Cut(pair, "=")
	base, err := metering.ParseCell(strings.TrimSuffix(class, ".*"))
	if err != nil {
		return err
	}
	rate, err := newRate(key+"/"+class+r.suffix(), price, tokensPer)
	if err != nil {
		return err
	}
	for _, m := range []metering.Modality{metering.Text, metering.Audio, metering.Image, metering.Video, metering.Document} {
		cell := metering.Cell(int(base) + int(m))
		if r.rates[cell] == nil {
			r.rates[cell] = rate
		}
	}
	return nil
}

// fee adds a fee to every model of its provider that is not excepted.
func (r *reader) fee(l line) error {
	provider, quantity := l.get("provider"), l.get("quantity")
	if r.book.providers[provider] == nil || quantity == "" || l.get("source") == "" {
		return fmt.Errorf("a provider with prices, quantity and source are needed: %w", metering.ErrInvalid)
	}
	per, err := strconv.ParseInt(l.get("per"), 10, 64)
	if err != nil || per <= 0 {
		return fmt.Errorf("per %q: %w", l.get("per"), metering.ErrInvalid)
	}
	rate, err := newRate(provider+"/"+quantity, l.get("price"), per)
	if err != nil {
		return err
	}
	except := strings.Fields(l.get("except"))
	for _, model := range except {
		if r.book.providers[provider][model] == nil {
			return fmt.Errorf("the exception %s is no model of %s: %w", model, provider, metering.ErrInvalid)
		}
	}
	for _, s := range r.order {
		if s.Provider != provider || slices.Contains(except, s.Model) {
			continue
		}
		if s.fee(quantity) != nil {
			return fmt.Errorf("%s of %s is there twice: %w", quantity, provider, metering.ErrInvalid)
		}
		s.fees = append(s.fees, fee{quantity, rate})
	}
	return nil
}

// finish orders the prices of every name by time and refuses two at once.
func (r *reader) finish() error {
	for provider, models := range r.book.providers {
		for name, skus := range models {
			slices.SortFunc(skus, func(a, b *SKU) int { return cmp.Compare(a.From, b.From) })
			for i, s := range skus[:len(skus)-1] {
				if s.To == 0 || s.To > skus[i+1].From {
					return fmt.Errorf("%s/%s finds %s and %s at one time: %w", provider, name, s.Model, skus[i+1].Model, metering.ErrInvalid)
				}
			}
		}
	}
	for _, s := range r.order {
		if s.unpriced == "" && !slices.ContainsFunc(s.sets, func(set rateSet) bool { return set.tier == "" && set.above == 0 }) {
			return fmt.Errorf("%s/%s has no standard prices: %w", s.Provider, s.Model, metering.ErrInvalid)
		}
	}
	return nil
}

// instant reads a date, which is its first instant in UTC, or an instant; empty
// is zero.
func instant(s string) (metering.Micros, error) {
	if s == "" {
		return 0, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return metering.MicrosOf(t), nil
		}
	}
	return 0, fmt.Errorf("%q is neither a date nor an instant: %w", s, metering.ErrInvalid)
}
