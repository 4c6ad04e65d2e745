package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// errPrivate says that a name of an upstream resolved to an address that is not
// a public one.
var errPrivate = errors.New("the upstream's name stands for an address that is not public")

// guard keeps an upstream's name from leading into our own network. It looks at
// the address that is dialled, so a name that resolves to another one the second
// time does not pass.
type guard struct {
	local bool // the host is localhost
}

// newGuard returns the guard of a host. One that is an address says itself where
// it leads, so there is nothing to guard: nil.
func newGuard(host string) *guard {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return &guard{local: host == "localhost" || strings.HasSuffix(host, ".localhost")}
}

// control is for [net.Dialer].
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errPrivate, err)
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%w: %w", errPrivate, err)
	}
	if g.local && a.Unmap().IsLoopback() || publicAddress(a) {
		return nil
	}
	return errPrivate
}

// publicAddress reports whether an address is one of the public Internet, and
// none at which a cloud answers its own machines.
func publicAddress(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	for _, p := range notPublic() {
		if p.Contains(a) {
			return false
		}
	}
	if inner, ok := translated(a); ok {
		return publicAddress(inner)
	}
	return true
}

// notPublic are ranges of IANA's special-purpose registries (RFC 6890) beyond
// those that package netip knows, and one address of a cloud that lies outside of
// them.
func notPublic() [14]netip.Prefix {
	return [...]netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4([4]byte{0}), 8),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10),          // carriers; 100.100.100.200 is Alibaba Cloud's metadata
		netip.PrefixFrom(netip.AddrFrom4([4]byte{168, 63, 129, 16}), 32), // Azure's machines ask their host here
		netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 0}), 24),        // 192.0.0.192 is Oracle Cloud's metadata
		netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2}), 24),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18}), 15),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100}), 24),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113}), 24),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{240}), 4),
		netip.MustParsePrefix("64:ff9b:1::/48"), // translation within a network
		netip.MustParsePrefix("100::/64"),
		netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("2001::/32"), // Teredo: leads to what it says inside
		netip.MustParsePrefix("fec0::/10"),
	}
}

// translated returns the IPv4 address that an IPv6 address leads to by NAT64
// (RFC 6052) or 6to4 (RFC 3056).
func translated(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case netip.MustParsePrefix("::/96").Contains(a): // the compatible addresses of RFC 4291, deprecated
		return netip.AddrFrom4([4]byte(b[12:16])), true
	default:
		return netip.Addr{}, false
	}
}
