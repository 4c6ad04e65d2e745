package sqldb

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/weirhq/weir/metering"
)

// again reports errors after which the whole transaction can be run again.
func again(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code[:2] {
		case "08", "40", "53", "57": // connection, serialization and deadlock, resources, shutdown
			return true
		}
		return readOnly(err)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		code := lite.Code() & 0xff
		return code == 5 || code == 6 // SQLITE_BUSY, SQLITE_LOCKED
	}
	return Lost(err)
}

// Lost reports that the connection broke. Whether a COMMIT on it happened is
// then unknown, whatever pgconn.SafeToRetry says: pgx 5.12 calls an error safe
// whose transaction was committed.
func Lost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.As(err, &connect) || errors.As(err, &network) || err.Error() == "conn closed"
}

// readOnly reports that the server behind the connection became a standby. Such
// a connection looks healthy for as long as it lives.
func readOnly(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "25006"
}

// Refused reports that the database will never take what it was given.
func Refused(err error) bool {
	if errors.Is(err, metering.ErrInvalid) {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code[:2] {
		case "21", "22", "23", "54": // cardinality, data, integrity, limits
			return true
		}
		return false
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		switch lite.Code() & 0xff {
		case 18, 19, 20, 25: // too big, constraint, mismatch, range
			return true
		}
	}
	return false
}

// Taken reports a value that has to be unique and is not.
func Taken(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505"
	}
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && (lite.Code() == 2067 || lite.Code() == 1555)
}
