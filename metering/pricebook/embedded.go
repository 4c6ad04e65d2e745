package pricebook

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

//go:embed prices.csv
var embeddedPrices string

//go:embed fees.csv
var embeddedFees string

// Embedded returns the layers that this program was built with.
func Embedded() ([]*catalogue.Layer, error) {
	rows, err := readPrices(embeddedPrices)
	if err != nil {
		return nil, fmt.Errorf("read the embedded prices: %w", err)
	}
	if err := readFees(embeddedFees, &rows); err != nil {
		return nil, fmt.Errorf("read the embedded fees: %w", err)
	}
	l, err := catalogue.NewLayer(catalogue.Embedded, rows)
	if err != nil {
		return nil, err
	}
	return []*catalogue.Layer{l}, nil
}

func records(text string) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comment = '#'
	all, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	return all[1:], nil
}

func readPrices(text string) (rows catalogue.Rows, err error) {
	all, err := records(text)
	if err != nil {
		return rows, err
	}
	seen := map[string]bool{}
	first := map[string]bool{}
	to := map[string]catalogue.Instant{}
	for _, f := range all {
		provider, model := f[0], f[1]
		from, err := catalogue.ParseInstant(f[4])
		if err != nil {
			return rows, err
		}
		key := provider + "/" + model + "@" + f[4]
		if !first[key] {
			first[key] = true
			if to[key], err = catalogue.ParseInstant(f[5]); err != nil {
				return rows, err
			}
			for _, alias := range strings.Fields(f[2]) {
				rows.Matches = append(rows.Matches, catalogue.Match{Provider: provider, Type: catalogue.MatchExact, Pattern: alias, SKU: model, From: from, To: to[key]})
			}
			if f[3] == "yes" {
				rows.Matches = append(rows.Matches, catalogue.Match{Provider: provider, Type: catalogue.MatchDateSuffix, Pattern: model, SKU: model, From: from, To: to[key]})
			}
		}
		if !seen[provider+"/"+model] {
			seen[provider+"/"+model] = true
			rows.SKUs = append(rows.SKUs, catalogue.SKU{Provider: provider, SKU: model})
		}
		r := catalogue.Rate{Provider: provider, SKU: model, From: from, To: to[key], Sources: strings.Fields(f[10]), Note: f[11], When: catalogue.When{Tier: f[6]}}
		if f[7] != "" {
			if r.When.Above, err = strconv.ParseInt(f[7], 10, 64); err != nil {
				return rows, err
			}
		}
		switch {
		case f[9] != "":
			r.Meter, r.Reason = catalogue.AllMeters, f[9]
			rows.Rates = append(rows.Rates, r)
			continue
		case f[8] == "":
			r.Meter, r.Reason = catalogue.AllMeters, "condition: prompt above "+f[7]+" tokens"
			rows.Rates = append(rows.Rates, r)
			continue
		}
		for pair := range strings.FieldsSeq(f[8]) {
			class, price, _ := strings.Cut(pair, "=")
			r.Meter, r.Price = class, &price
			rows.Rates = append(rows.Rates, r)
		}
	}
	return rows, nil
}

func readFees(text string, rows *catalogue.Rows) error {
	all, err := records(text)
	if err != nil {
		return err
	}
	for _, f := range all {
		per, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			return err
		}
		r := catalogue.Rate{Provider: f[0], SKU: catalogue.Any, Meter: f[1], Price: &f[2], Per: per, Sources: strings.Fields(f[5]), Note: f[6], When: catalogue.When{Any: []string{"tier", "region", "endpoint", "speed"}}}
		rows.Rates = append(rows.Rates, r)
		for _, model := range strings.Fields(f[4]) {
			except := r
			except.SKU, except.Price = model, nil
			if !slices.ContainsFunc(rows.SKUs, func(s catalogue.SKU) bool { return s.Provider == f[0] && s.SKU == model }) {
				return invalid("no model %s", model)
			}
			rows.Rates = append(rows.Rates, except)
		}
	}
	return nil
}
