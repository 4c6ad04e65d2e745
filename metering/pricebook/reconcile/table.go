package reconcile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// maxColumns bounds a row of a table.
const maxColumns = 100

// readTable reads a table that OpenAI's dashboard exports, of completions
// ("completions_usage_….csv") or of costs ("cost_….csv"). Its columns are named
// as the members of the reports are, but for the amount: amount_value and
// amount_currency. A bucket in which nothing was used is a row without numbers.
func (r *Reader) readTable(in io.Reader) error {
	if r.provider != "openai" {
		return fmt.Errorf("not JSON; of %s pages of its API are read: %w", r.provider, metering.ErrInvalid)
	}
	table := csv.NewReader(in)
	table.FieldsPerRecord = -1
	names, err := table.Read()
	if err != nil {
		return fmt.Errorf("the first line is no JSON and no head of a table: %w: %w", err, metering.ErrInvalid)
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	if len(names) > maxColumns || !has("start_time") || !has("end_time") {
		return fmt.Errorf("no table of OpenAI's dashboard, which has the columns start_time and end_time: %w", metering.ErrInvalid)
	}
	kind := ""
	switch {
	case has("amount_value"):
		kind = openAICosts
	case has("input_tokens"):
		kind = openAIUsage + "completions.result"
	case r.costsOnly:
		kind = openAICosts
	}
	for line := 2; ; line++ {
		fields, err := table.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || len(fields) > maxColumns {
			return fmt.Errorf("line %d cannot be read: %w: %w", line, err, metering.ErrInvalid)
		}
		row := make(map[string]string, len(fields))
		for i, name := range names {
			if i < len(fields) {
				row[name] = strings.TrimSpace(fields[i])
			}
		}
		if err := r.tableRow(kind, row); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// tableRow reads a row as the result that it was made of.
func (r *Reader) tableRow(kind string, row map[string]string) error {
	start, err := parseCount(row["start_time"])
	if err != nil {
		return fmt.Errorf("start_time: %w", err)
	}
	end, err := parseCount(row["end_time"])
	if err != nil {
		return fmt.Errorf("end_time: %w", err)
	}
	o := openAIResult{
		Object: kind, Project: row["project_id"], User: row["user_id"], Key: row["api_key_id"], Model: row["model"], Tier: row["service_tier"],
		API: row["api_source"], LineItem: row["line_item"], Quantity: decimal(row["quantity"]), Unit: row["quantity_unit"],
	}
	switch strings.ToLower(row["batch"]) {
	case "true":
		o.Batch = new(true)
	case "false":
		o.Batch = new(false)
	}
	if v := row["amount_value"]; v != "" {
		o.Amount = &openAIAmount{decimal(v), row["amount_currency"]}
	}
	c := &o.openAICounts
	said := false
	for name, into := range map[string]*count{
		"num_model_requests": &c.Requests, "input_tokens": &c.Input, "input_cached_tokens": &c.Cached, "input_cache_write_tokens": &c.Written,
		"input_uncached_tokens": &c.Uncached, "input_audio_tokens": &c.AudioIn, "input_image_tokens": &c.ImageIn,
		"output_tokens": &c.Output, "output_audio_tokens": &c.AudioOut, "output_image_tokens": &c.ImageOut,
	} {
		if *into, err = parseCount(row[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		said = said || into.known
	}
	unread, err := unreadColumns(row)
	if err != nil {
		return err
	}
	if !said && o.Amount == nil && len(unread.meters) == 0 {
		part := ofUsage
		if kind == openAICosts {
			part = ofCosts
		}
		_, err := r.cover(part, start.n, end.n)
		return err
	}
	return r.openAIRow(&o, unread, start.n, end.n)
}

// unreadColumns are the counts of a row that are not known. The names of people
// and projects may be numbers too, so a count shows by its name.
func unreadColumns(row map[string]string) (*members, error) {
	m := &members{}
	for name, text := range row {
		if openAIKnows(name) || text == "" || !strings.HasSuffix(name, "_tokens") && !strings.HasPrefix(name, "num_") {
			continue
		}
		n, err := metering.ParseNumber(text)
		if err != nil {
			return nil, fmt.Errorf("%.60q: %w", name, err)
		}
		if err := m.count(name, n); err != nil {
			return nil, err
		}
	}
	return m, nil
}
