package sqlstore

import (
	"github.com/weirhq/weir/metering"
)

// pack is the stored form of an id of a customer or key in a table that has many
// rows: the sixteen bytes of a UUID in its canonical form, which all ids are
// that this package makes, and any other text as it is, with NUL before one of
// sixteen bytes. It is 21 bytes shorter in each row and each index.
func pack(id string) []byte {
	if len(id) == 36 {
		if u, err := metering.ParseID(id); err == nil && u.String() == id {
			return u[:]
		}
	}
	if len(id) == len(metering.ID{}) {
		return append([]byte{0}, id...)
	}
	return []byte(id)
}

// unpack is the id that was packed.
func unpack(stored []byte) string {
	switch {
	case len(stored) == len(metering.ID{}):
		return metering.ID(stored).String()
	case len(stored) > 0 && stored[0] == 0:
		return string(stored[1:])
	default:
		return string(stored)
	}
}
