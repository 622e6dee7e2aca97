//go:build e2e && linux

package e2e_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gateway is this machine, as pods reach it.
const gateway = "10.213.97.1"

// A door is an address at the gateway whose connections are passed on to somewhere. It leads pods to what listens on
// loopback, KEDA to a Service's pods (there is no kube-proxy), and it can be shut, as a network fails.
type door struct {
	address string
	to      func(context.Context) (string, error) // asked for every connection

	mu       sync.Mutex
	listener net.Listener          // guarded by mu; nil while it is shut
	conns    map[net.Conn]struct{} // guarded by mu
	wg       sync.WaitGroup
}

// newDoor opens one. It is shut when the test ends.
func newDoor(t *testing.T, to func(context.Context) (string, error)) *door {
	t.Helper()
	d := &door{address: gateway + ":0", to: to, conns: map[net.Conn]struct{}{}}
	d.open(t)
	t.Cleanup(d.shut)
	return d
}

// doorTo leads to a server on this machine.
func doorTo(t *testing.T, endpoint string) *door {
	t.Helper()
	address := strings.TrimPrefix(endpoint, "http://")
	return newDoor(t, func(context.Context) (string, error) { return address, nil })
}

func (d *door) url() string { return "http://" + d.address }

// open lets connections through, again.
func (d *door) open(t *testing.T) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", d.address)
	require.NoError(t, err)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.address, d.listener = l.Addr().String(), l
	d.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // it was shut
			}
			d.wg.Go(func() { d.pass(conn) })
		}
	})
}

// shut ends what goes through, and refuses what comes.
func (d *door) shut() {
	d.mu.Lock()
	if d.listener != nil {
		_ = d.listener.Close()
		d.listener = nil
	}
	for conn := range d.conns {
		_ = conn.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}

func (d *door) pass(from net.Conn) {
	defer from.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	address, err := d.to(ctx)
	if err != nil {
		return // as one that nobody listens behind
	}
	to, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	if !d.enter(from, to) {
		return
	}
	defer d.leave(from, to)
	var both sync.WaitGroup
	both.Go(func() { stream(to, from) })
	both.Go(func() { stream(from, to) })
	both.Wait()
}

// stream copies until its source ends, and says so to the other side.
func stream(to, from net.Conn) {
	_, _ = io.Copy(to, from) // either side may end at any time
	_ = to.(*net.TCPConn).CloseWrite()
}

func (d *door) enter(conns ...net.Conn) (open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener == nil {
		return false
	}
	for _, conn := range conns {
		d.conns[conn] = struct{}{}
	}
	return true
}

func (d *door) leave(conns ...net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range conns {
		delete(d.conns, conn)
	}
}
