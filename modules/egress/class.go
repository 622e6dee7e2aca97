package egress

import (
	"net/netip"
	"sync"
)

// The classes that Policy.AllowPrivate admits.
const (
	private  = "private"
	loopback = "loopback"
	shared   = "shared (CGNAT)"
)

func plain(class string) bool { return class == private || class == loopback || class == shared }

type network struct {
	prefix netip.Prefix
	class  string
}

// networks are the special-purpose blocks of IANA's IPv4 and IPv6 registries that no public host lies in, and the
// metadata services of AWS (169.254.169.254, fd00:ec2::254, those of EKS's pods at ::23), Google (fd20:ce::254), Azure
// (168.63.129.16) and Alibaba (100.100.100.200); the first match counts.
var networks = sync.OnceValue(func() []network {
	table := []struct{ prefix, class string }{
		{"169.254.169.254/32", "metadata"},
		{"fd00:ec2::254/128", "metadata"},
		{"fd00:ec2::23/128", "metadata"},
		{"fd20:ce::254/128", "metadata"},
		{"168.63.129.16/32", "metadata"},
		{"100.100.100.200/32", "metadata"},
		{"0.0.0.0/8", "unspecified"},
		{"::/128", "unspecified"},
		{"127.0.0.0/8", loopback},
		{"::1/128", loopback},
		{"10.0.0.0/8", private},
		{"172.16.0.0/12", private},
		{"192.168.0.0/16", private},
		{"fc00::/7", private},
		{"100.64.0.0/10", shared},
		{"169.254.0.0/16", "link-local"},
		{"fe80::/10", "link-local"},
		{"fec0::/10", "site-local"},
		{"224.0.0.0/4", "multicast"},
		{"ff00::/8", "multicast"},
		{"192.0.0.0/24", "reserved"},
		{"198.18.0.0/15", "benchmarking"},
		{"240.0.0.0/4", "reserved"},
		{"192.0.2.0/24", "documentation"},
		{"198.51.100.0/24", "documentation"},
		{"203.0.113.0/24", "documentation"},
		{"2001:db8::/32", "documentation"},
		{"3fff::/20", "documentation"},
		{"::/96", "IPv4-compatible"},
		{"64:ff9b:1::/48", "NAT64"},
		{"100::/64", "discard"},
		{"2001::/32", "Teredo"},
		{"5f00::/16", "segment routing"},
	}
	list := make([]network, len(table))
	for i, row := range table {
		list[i] = network{prefix: netip.MustParsePrefix(row.prefix), class: row.class}
	}
	return list
})

// Class names the reason why addr is not a public one; empty when it is. An IPv4 address inside an IPv6 one (mapped,
// NAT64, 6to4) is judged as itself.
func Class(addr netip.Addr) string {
	addr = addr.WithZone("").Unmap()
	for _, n := range networks() {
		if n.prefix.Contains(addr) {
			return n.class
		}
	}
	if inner, ok := inner(addr); ok {
		return Class(inner)
	}
	return ""
}

// inner returns the IPv4 address that a NAT64 (64:ff9b::/96) or 6to4 (2002::/16) address stands for.
func inner(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	b := addr.As16()
	switch {
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case [12]byte(b[:12]) == [12]byte{0x00, 0x64, 0xff, 0x9b}:
		return netip.AddrFrom4([4]byte(b[12:])), true
	}
	return netip.Addr{}, false
}
