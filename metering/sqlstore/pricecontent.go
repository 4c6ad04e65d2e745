package sqlstore

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"

	"github.com/weirhq/weir/metering"
)

// maxLayer bounds the JSON of a layer in bytes, ten times that of 5,300 models
// with five rates each.
const maxLayer = 64 << 20

// deflateLayer is the stored form of a layer: a byte for the format and deflated
// JSON.
func deflateLayer(text []byte) ([]byte, error) {
	if len(text) > maxLayer {
		return nil, fmt.Errorf("a layer of %d bytes, not at most %d: %w", len(text), maxLayer, metering.ErrInvalid)
	}
	var out bytes.Buffer
	out.WriteByte(formatDeflate)
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return nil, fmt.Errorf("deflate a layer: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("deflate a layer: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("deflate a layer: %w", err)
	}
	return out.Bytes(), nil
}

func inflateLayer(stored []byte) ([]byte, error) {
	if len(stored) == 0 || stored[0] != formatDeflate {
		return nil, fmt.Errorf("its format is of a later release: %w", metering.ErrInvalid)
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(stored[1:])), maxLayer+1))
	if err != nil {
		return nil, fmt.Errorf("inflate: %w", err)
	}
	if len(text) > maxLayer {
		return nil, fmt.Errorf("it has more than %d bytes: %w", maxLayer, metering.ErrInvalid)
	}
	return text, nil
}
