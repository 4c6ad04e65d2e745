package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/weirhq/weir/metering"
)

// clock is the file that keeps instants from going backwards over a restart
// while no record was written. It is not synced at each beat: a power loss
// together with a wall clock that has stepped back is beyond it.
type clock struct{ f *os.File }

const clockBytes = 12 // instant and checksum

// openClock returns the latest instant the file knows, zero if it has none.
func openClock(dir string) (clock, metering.Micros, error) {
	f, err := os.OpenFile(filepath.Join(dir, "clock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return clock{}, 0, fmt.Errorf("open journal clock: %w", err)
	}
	var b [clockBytes]byte
	// A file that is short or torn after a power loss knows nothing.
	n, _ := f.ReadAt(b[:], 0)
	if n < clockBytes || crc32.Checksum(b[:8], castagnoli) != binary.LittleEndian.Uint32(b[8:]) {
		return clock{f}, 0, nil
	}
	return clock{f}, metering.Micros(binary.LittleEndian.Uint64(b[:])), nil
}

func (c clock) set(at metering.Micros) error {
	var b [clockBytes]byte
	binary.LittleEndian.PutUint64(b[:], uint64(at))
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli))
	if _, err := c.f.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("write journal clock: %w", err)
	}
	return nil
}
