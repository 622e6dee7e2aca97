package callback

import (
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// slowTry is a try that holds others up. After maxSlow of them in a row the other callbacks of a URL without its query,
	// and after maxSlowHost those of a host, which may be many people's, are the next pass's.
	slowTry     = 5 * time.Second
	maxSlow     = 2
	maxSlowHost = 2 * concurrency
	// After maxSlowPass of them, whoever's they were, one deliverer is kept for sites that have not let us wait: a receiver
	// may have any number of hosts.
	maxSlowPass = 4 * concurrency
)

// A brake keeps receivers that let us wait from holding a pass up.
type brake struct {
	mu    sync.Mutex
	slow  map[string]int  // slow tries in a row, by host and by URL without its query; guarded by mu
	sites map[string]bool // those that have let us wait, guarded by mu
	tries int             // slow ones, guarded by mu
	held  int             // tries under way at such sites, guarded by mu
}

// enter says whether a receiver may be tried in this pass. If so, leave is for when it was.
func (b *brake) enter(target string) (leave func(), ok bool) {
	hook, _, _ := strings.Cut(target, "?")
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.slow[hook] >= maxSlow || b.slow[hostOf(target)] >= maxSlowHost:
		return nil, false
	case !b.sites[siteOf(target)]:
		return func() {}, true
	case b.tries >= maxSlowPass && b.held >= concurrency-1:
		return nil, false
	}
	b.held++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.held--
	}, true
}

// took notes how long a try took.
func (b *brake) took(target string, d time.Duration) {
	hook, _, _ := strings.Cut(target, "?")
	b.mu.Lock()
	defer b.mu.Unlock()
	if d < slowTry {
		delete(b.slow, hook)
		delete(b.slow, hostOf(target))
		return
	}
	b.tries++
	b.slow[hook]++
	b.slow[hostOf(target)]++
	b.sites[siteOf(target)] = true
}

// siteOf is what a receiver can't have any number of at no cost: the last two labels of its host's name, or the network
// of its address.
func siteOf(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "(no usable URL)"
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		bits := 64
		if ip = ip.Unmap(); ip.Is4() {
			bits = 24
		}
		network, _ := ip.Prefix(bits) // it has no other error than too many bits
		return network.String()
	}
	labels := strings.Split(host, ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}
