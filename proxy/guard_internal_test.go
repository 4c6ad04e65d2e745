package proxy

import (
	"errors"
	"net/netip"
	"testing"
)

// TestPublicAddress covers S23: no form of an inner address passes for a public
// one.
func TestPublicAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"1.1.1.1": true, "104.18.6.192": true, "2606:4700::6812:6c0": true, "::ffff:1.1.1.1": true, "64:ff9b::1.1.1.1": true,
		"100.63.255.255": true, "100.128.0.1": true, "172.32.0.1": true, "168.63.129.17": true,
		"127.0.0.1": false, "127.8.8.8": false, "0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.1.1": false, "169.254.169.254": false, "169.254.170.2": false, "100.64.0.1": false, "100.100.100.200": false, "168.63.129.16": false,
		"192.0.0.192": false, "198.18.0.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "fd20:ce::254": false, "ff02::1": false, "fec0::1": false,
		"::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false, "64:ff9b::169.254.169.254": false, "64:ff9b::a00:1": false, "64:ff9b:1::1.1.1.1": false,
		"2002:7f00:1::1": false, "2002:a9fe:a9fe::": false, "2001:0:4136:e378:8000:63bf:3fff:fdd2": false,
	} {
		if got := publicAddress(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is public: %v", address, got)
		}
	}
}

// The address that is dialled is looked at, whatever the name said before.
func TestGuard(t *testing.T) {
	t.Parallel()
	f := func(host, address string, pass bool) {
		t.Helper()
		err := newGuard(host).control("tcp", address, nil)
		if pass != (err == nil) || err != nil && !errors.Is(err, errPrivate) {
			t.Errorf("%s at %s: %v", host, address, err)
		}
	}
	f("api.example.com", "1.1.1.1:443", true)
	f("api.example.com", "127.0.0.1:443", false)
	f("api.example.com", "[::1]:443", false)
	f("api.example.com", "169.254.169.254:80", false)
	f("api.example.com", "nonsense", false)
	f("localhost", "127.0.0.1:80", true)
	f("LOCALHOST.", "[::1]:80", true)
	f("llm.localhost", "127.0.0.2:80", true)
	f("localhost", "10.0.0.1:80", false)
	f("localhost", "169.254.169.254:80", false)
	f("notlocalhost", "127.0.0.1:80", false)
	if newGuard("127.0.0.1") != nil || newGuard("::1") != nil {
		t.Error("an address is guarded from itself")
	}
}
