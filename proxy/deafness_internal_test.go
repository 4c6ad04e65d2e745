package proxy

import (
	"strconv"
	"testing"
	"time"
)

// TestDeafness: what is learned is forgotten after an hour, and is bounded.
func TestDeafness(t *testing.T) {
	t.Parallel()
	var d deafness
	now := time.Unix(1_800_000_000, 0)
	if d.is("m", now) || !d.learn("m", now) || d.learn("m", now) || !d.is("m", now.Add(deafFor-1)) || d.is("n", now) {
		t.Error("one model is not learned alone, once")
	}
	if d.is("m", now.Add(deafFor)) || d.some.Load() {
		t.Error("not forgotten after an hour")
	}
	for i := range 2 * maxDeaf {
		d.learn(strconv.Itoa(i), now)
	}
	if len(d.until) != maxDeaf {
		t.Errorf("%d models are remembered", len(d.until))
	}
	if !d.learn("later", now.Add(deafFor)) || len(d.until) != 1 {
		t.Errorf("what is over leaves no room: %d", len(d.until))
	}
}
