package awssign_test

import (
	"testing"

	"github.com/weirhq/weir/proxy"
	"github.com/weirhq/weir/proxy/awssign"
)

// BenchmarkSign is what a signature costs beside the hash of the body.
func BenchmarkSign(b *testing.B) {
	s, err := awssign.New(example())
	if err != nil {
		b.Fatal(err)
	}
	r := request("POST", "/model/us.amazon.nova-micro-v1%3A0/converse", "", proxy.HeaderField{Name: "Content-Type", Value: "application/json"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sign(r); err != nil {
			b.Fatal(err)
		}
	}
}
