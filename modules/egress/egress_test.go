package egress_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
)

// get returns the error of one GET under p, or nil.
func get(t *testing.T, p egress.Policy, target string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	require.NoError(t, err)
	client := egress.NewClient(p)
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func serve(t *testing.T, h http.HandlerFunc) (address, port string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return s.URL, u.Port()
}

func TestPrivateAddressesAreRefusedHoweverTheyAreSpelt(t *testing.T) {
	_, port := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") })
	for _, host := range []string{
		"127.0.0.1", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]",
		"10.0.0.8", "169.254.169.254", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "100.64.0.1",
		"127.1.2.3", "[fe80::1]",
	} {
		err := get(t, egress.Policy{}, "http://"+host+":"+port+"/")
		_, ok := errors.AsType[*egress.BlockedError](err)
		require.True(t, ok, "%s: %v", host, err)
		require.Equal(t, fault.Permanent, fault.Of(err), host)
	}
	// No resolver may turn these into a loopback connection; whether they resolve at all is the system's business.
	for _, host := range []string{"2130706433", "0x7f000001", "127.1", "0177.0.0.1"} {
		require.Error(t, get(t, egress.Policy{}, "http://"+host+":"+port+"/"), host)
	}
}

func TestARefusalIsOneSentenceWithItsRemedy(t *testing.T) {
	err := get(t, egress.Policy{}, "http://10.0.0.8/")
	blocked, ok := errors.AsType[*egress.BlockedError](err)
	require.True(t, ok)
	require.EqualError(t, blocked, `host "10.0.0.8" is a private address; the operator can allow it with MILLRACE_ALLOW_HOSTS`)
	err = get(t, egress.Policy{}, "http://localhost:1/")
	require.ErrorContains(t, err, `host "localhost" resolves to `)
}

func TestTheOperatorCanAllowHosts(t *testing.T) {
	address, port := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct {
		name   string
		policy egress.Policy
		ok     bool
	}{
		{"the address", egress.Policy{AllowHosts: []string{"127.0.0.1"}}, true},
		{"address and port", egress.Policy{AllowHosts: []string{"127.0.0.1:" + port}}, true},
		{"another port", egress.Policy{AllowHosts: []string{"127.0.0.1:1"}}, false},
		{"its network", egress.Policy{AllowHosts: []string{"127.0.0.0/8"}}, true},
		{"another network", egress.Policy{AllowHosts: []string{"10.0.0.0/8"}}, false},
		{"all private ones", egress.Policy{AllowPrivate: true}, true},
		{"a name that is only part of it", egress.Policy{AllowHosts: []string{"127.0.0"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := get(t, tt.policy, address)
			require.Equal(t, tt.ok, err == nil, "%v", err)
		})
	}
	require.NoError(t, get(t, egress.Policy{AllowHosts: []string{"LocalHost"}}, strings.Replace(address, "127.0.0.1", "localhost", 1)))
}

func TestAllowPrivateStillRefusesTheMetadataService(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "[fd00:ec2::23]", "[fd20:ce::254]", "[fe80::1]"} {
		err := get(t, egress.Policy{AllowPrivate: true}, "http://"+host+"/")
		_, ok := errors.AsType[*egress.BlockedError](err)
		require.True(t, ok, "%s: %v", host, err)
	}
}

func TestARedirectIsJudgedLikeAnyAddress(t *testing.T) {
	_, inner := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the inner server was reached") })
	address, port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:"+inner+"/", http.StatusFound)
	})
	err := get(t, egress.Policy{AllowHosts: []string{"127.0.0.1:" + port}}, address)
	_, ok := errors.AsType[*egress.BlockedError](err)
	require.True(t, ok, "%v", err)
}

func TestRedirectsEndAfterFiveAndStayWithHTTP(t *testing.T) {
	hops := 0
	address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		hops++
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	require.ErrorContains(t, get(t, egress.Policy{AllowPrivate: true}, address), "stopped after 5 redirects")
	require.Equal(t, 6, hops)

	address, _ = serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ftp://127.0.0.1/x", http.StatusFound)
	})
	require.ErrorContains(t, get(t, egress.Policy{AllowPrivate: true}, address), "redirect from http to ftp is not followed")
}

func TestARedirectToAnotherHostTakesNoCredentialsAlong(t *testing.T) {
	var got http.Header
	other, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
	address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusFound) })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	req.Header.Set("X-Api-Key", "hunter2")
	req.Header.Set("Accept", "text/plain")
	client := egress.NewClient(egress.Policy{AllowPrivate: true})
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "text/plain", got.Get("Accept"))
	require.Empty(t, got.Get("X-Api-Key"))
}

func TestPublicAddressesHaveNoClass(t *testing.T) {
	for _, public := range []string{"8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::", "172.32.0.1", "100.128.0.1"} {
		require.Empty(t, egress.Class(netip.MustParseAddr(public)), public)
	}
	for _, special := range []string{"224.0.0.1", "255.255.255.255", "fe80::1%eth0", "::7f00:1", "198.18.0.1", "ff02::1", "64:ff9b:1::1"} {
		require.NotEmpty(t, egress.Class(netip.MustParseAddr(special)), special)
	}
}

func TestAPolicyNamesEntriesThatAdmitNothing(t *testing.T) {
	require.NoError(t, egress.Policy{AllowHosts: []string{"a.example", "a.example:8080", "10.0.0.0/8", "[::1]:80"}}.Validate())
	err := egress.Policy{AllowHosts: []string{"10.0.0.0/33", "", "http://a.example"}}.Validate()
	require.ErrorContains(t, err, `allowed host "10.0.0.0/33" is none`)
	require.ErrorContains(t, err, `allowed host "" is none`)
	require.ErrorContains(t, err, `allowed host "http://a.example" is none`)
}

func TestCancellationEndsARequest(t *testing.T) {
	arrived := make(chan struct{})
	address, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("lease lost")
	go func() {
		<-arrived
		cancel(gone)
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	require.NoError(t, err)
	client := egress.NewClient(egress.Policy{AllowPrivate: true})
	defer client.CloseIdleConnections()
	_, err = client.Do(req)
	require.Error(t, err)
	require.Equal(t, gone, context.Cause(ctx))
}

func ExampleNewClient() {
	client := egress.NewClient(egress.Policy{})
	_, err := client.Get("http://" + net.JoinHostPort("192.168.1.1", "80"))
	blocked, _ := errors.AsType[*egress.BlockedError](err)
	fmt.Println(blocked)
	// Output: host "192.168.1.1" is a private address; the operator can allow it with MILLRACE_ALLOW_HOSTS
}

func TestNoAnswerIsASentence(t *testing.T) {
	refused := &net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	}
	for _, tt := range []struct {
		name, want string
		err        error
	}{
		{
			"no such host", `host "nosuch.invalid": no such host; check its name and this machine's DNS`,
			&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "nosuch.invalid", Server: "10.0.0.53:53", IsNotFound: true}},
		},
		{
			"a resolver that says nothing", `host "example.com": DNS did not say where it is; check its name and this machine's DNS`,
			&net.DNSError{Err: "read udp 10.0.0.2:53682->10.0.0.53:53: i/o timeout", Name: "example.com", IsTimeout: true},
		},
		{"nobody there", "no answer from 192.0.2.1:80: connection refused; check the address and the network's rules", refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := egress.Cause(t.Context(), t.Context(), &url.Error{Op: "Get", URL: "http://example.com/x", Err: tt.err})
			require.EqualError(t, got, tt.want)
			require.Equal(t, fault.Transient, fault.Of(got))
		})
	}
}
