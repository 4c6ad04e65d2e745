package sync

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// maxListing bounds a listing as text and as it is kept, in bytes.
const maxListing = 4 << 20

// packListing writes names, sorted, a line each, deflated.
func packListing(names []string) ([]byte, error) {
	text := strings.Join(names, "\n")
	if len(text) > maxListing {
		return nil, fmt.Errorf("a listing of %d bytes, not at most %d: %w", len(text), maxListing, metering.ErrInvalid)
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("deflate a listing: %w", err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		return nil, fmt.Errorf("deflate a listing: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("deflate a listing: %w", err)
	}
	return out.Bytes(), nil
}

// unpackListing reads what packListing wrote.
func unpackListing(packed []byte) ([]string, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxListing+1))
	if err != nil {
		return nil, fmt.Errorf("inflate a listing: %w", err)
	}
	if len(text) > maxListing {
		return nil, fmt.Errorf("a listing of more than %d bytes: %w", maxListing, metering.ErrInvalid)
	}
	return strings.Split(string(text), "\n"), nil
}

// listing is the models of a document, sorted.
func listing(d *Document) []string {
	names := make([]string, len(d.Rows.SKUs))
	for i := range d.Rows.SKUs {
		names[i] = d.Rows.SKUs[i].Provider + "/" + d.Rows.SKUs[i].SKU
	}
	slices.Sort(names)
	return names
}

// missing are those of before that now does not have; both are sorted.
func missing(before, now []string) []string {
	var gone []string
	for _, name := range before {
		if _, there := slices.BinarySearch(now, name); !there {
			gone = append(gone, name)
		}
	}
	return gone
}
