package main

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// stampPlace stands in an event where the instant goes at which it was sent:
// microseconds since the program started. Upstream and load are one program,
// so both read the same clock.
const stampPlace = "sent-0000000000"

var started = time.Now()

// putStamp writes an instant over the beginning of b, which is a stampPlace.
func putStamp(b []byte, at time.Time) {
	n := at.Sub(started).Microseconds()
	for i := len(stampPlace) - 1; b[i] != '-'; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// delay returns how long ago the event at the beginning of data was sent.
func delay(data []byte, now time.Time) (time.Duration, error) {
	mark := []byte("sent-")
	i := bytes.Index(data, mark)
	if i < 0 || len(data) < i+len(stampPlace) {
		return 0, errors.New("an event does not say when it was sent")
	}
	n, err := strconv.ParseInt(string(data[i+len(mark):i+len(stampPlace)]), 10, 64)
	if err != nil {
		return 0, err
	}
	return now.Sub(started) - time.Duration(n)*time.Microsecond, nil
}
