package manifests

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	network "k8s.io/api/networking/v1"
)

// A peer is one end of a connection: a pod of ours, a pod of a namespace, or an address.
type peer struct {
	component, namespace, address string
}

// of ours, by its component; in a namespace of somebody else; at an address.
func ours(component string) peer   { return peer{component: component} }
func theirs(namespace string) peer { return peer{namespace: namespace} }
func at(address string) peer       { return peer{address: address} }

func (p peer) labels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "millrace", "app.kubernetes.io/component": p.component}
}

// is says whether a rule's peer means p.
func (p peer) is(t *testing.T, rule network.NetworkPolicyPeer) bool {
	t.Helper()
	switch {
	case rule.IPBlock != nil:
		if p.address == "" {
			return false
		}
		a := netip.MustParseAddr(p.address)
		return netip.MustParsePrefix(rule.IPBlock.CIDR).Contains(a) &&
			!slices.ContainsFunc(rule.IPBlock.Except, func(c string) bool { return netip.MustParsePrefix(c).Contains(a) })
	case rule.NamespaceSelector != nil:
		require.Nil(t, rule.PodSelector)
		return p.namespace != "" && selects(t, rule.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": p.namespace})
	}
	return p.component != "" && selects(t, rule.PodSelector, p.labels())
}

// passes says whether the policies let a connection out of from, and into to, as Kubernetes reads them: where policies of a
// direction select a pod, one of them must allow it.
func passes(t *testing.T, policies []*network.NetworkPolicy, from, to peer, port int) bool {
	t.Helper()
	direction := func(pod, other peer, kind network.PolicyType, rules func(*network.NetworkPolicy) []rule) bool {
		selected := false
		for _, p := range policies {
			if pod.component == "" || !slices.Contains(p.Spec.PolicyTypes, kind) || !selects(t, &p.Spec.PodSelector, pod.labels()) {
				continue
			}
			selected = true
			if slices.ContainsFunc(rules(p), func(r rule) bool { return r.allows(t, other, port) }) {
				return true
			}
		}
		return !selected
	}
	out := direction(from, to, network.PolicyTypeEgress, func(p *network.NetworkPolicy) (all []rule) {
		for _, r := range p.Spec.Egress {
			all = append(all, rule{r.To, r.Ports})
		}
		return all
	})
	in := direction(to, from, network.PolicyTypeIngress, func(p *network.NetworkPolicy) (all []rule) {
		for _, r := range p.Spec.Ingress {
			all = append(all, rule{r.From, r.Ports})
		}
		return all
	})
	return out && in
}

// A rule is one of a policy, of either direction.
type rule struct {
	peers []network.NetworkPolicyPeer
	ports []network.NetworkPolicyPort
}

func (r rule) allows(t *testing.T, other peer, port int) bool {
	t.Helper()
	return (len(r.peers) == 0 || slices.ContainsFunc(r.peers, func(p network.NetworkPolicyPeer) bool { return other.is(t, p) })) &&
		(len(r.ports) == 0 || slices.ContainsFunc(r.ports, func(p network.NetworkPolicyPort) bool { return p.Port.IntValue() == port }))
}

const (
	public   = "52.94.5.20"
	public6  = "2a05:d018::1"
	private  = "10.12.0.7"
	metadata = "169.254.169.254"
)

// Who may speak with whom: what the parts need of each other passes, and what a job could do harm by does not.
func TestWhatIsNeededIsLetThroughAndNothingElse(t *testing.T) {
	for _, tt := range []struct {
		from, to peer
		port     int
		pass     bool
		with     string // a component, empty is none
	}{
		{ours("worker"), theirs("kube-system"), 53, true, ""},
		{ours("scaler"), theirs("openshift-dns"), 5353, true, ""},
		{ours("worker"), at("169.254.20.10"), 53, true, ""}, // NodeLocal DNSCache
		{ours("worker"), at("169.254.20.10"), 80, false, ""},
		{ours("worker"), theirs("kube-system"), 443, false, ""},
		{ours("worker"), at(public), 443, true, ""},
		{ours("worker"), at(public6), 443, true, ""},
		{ours("worker"), at(public), 22, false, ""},
		{ours("worker"), at(metadata), 80, false, ""},
		{ours("worker"), at(metadata), 443, false, ""},
		{ours("worker"), at("fd00:ec2::254"), 443, false, ""},
		{ours("worker"), at(private), 443, false, ""},
		{ours("worker"), ours("worker"), 8081, false, ""},
		{ours("worker"), ours("scaler"), 9090, false, ""},
		{theirs("keda"), ours("scaler"), 9090, true, ""},
		{theirs("openshift-keda"), ours("scaler"), 9090, true, ""},
		{theirs("default"), ours("scaler"), 9090, false, ""},
		{theirs("keda"), ours("worker"), 8081, false, ""},
		{theirs("monitoring"), ours("worker"), 8081, true, ""},
		{theirs("openshift-user-workload-monitoring"), ours("scaler"), 8082, true, ""},
		{theirs("monitoring"), ours("scaler"), 9090, false, ""},
		{ours("scaler"), ours("worker"), 8081, true, ""},
		{ours("scaler"), at(public), 443, true, ""},
		{ours("scaler"), at(private), 443, true, ""},
		{ours("scaler"), at(private), 6443, true, ""},
		{ours("scaler"), at("172.20.0.1"), 2040, true, ""}, // the API server of IBM Cloud's clusters
		{ours("scaler"), at(metadata), 80, false, ""},
		{ours("worker"), at("169.254.170.23"), 80, false, ""},
		{ours("worker"), at("169.254.170.23"), 80, true, "pod-identity"},
		{ours("scaler"), at("fd00:ec2::23"), 80, true, "pod-identity"},
		{ours("worker"), at(metadata), 80, false, "pod-identity"},
		{ours("worker"), at(private), 443, true, "private-endpoints"},
		{theirs("ingress-nginx"), ours("gateway"), 8080, true, "gateway"},
		{theirs("openshift-ingress"), ours("gateway"), 8080, true, "gateway"},
		{theirs("openshift-ingress"), ours("gateway"), 8081, false, "gateway"},
		{theirs("openshift-ingress"), ours("worker"), 8081, false, "gateway"},
		{theirs("default"), ours("gateway"), 8080, false, "gateway"},
		{ours("worker"), ours("gateway"), 8080, false, "gateway"}, // a job has no key, and shall try none
		{theirs("monitoring"), ours("gateway"), 8081, true, "gateway"},
		{theirs("monitoring"), ours("gateway"), 8080, false, "gateway"},
		{ours("gateway"), at(public), 443, true, "gateway"},
		{ours("gateway"), at(public), 80, false, "gateway"},
		{ours("gateway"), at(private), 443, false, "gateway"},
		{ours("gateway"), at(metadata), 80, false, "gateway"},
		{ours("gateway"), theirs("kube-system"), 53, true, "gateway"},
		{ours("gateway"), ours("worker"), 8081, false, "gateway"},
		{ours("callbacks"), at(public), 443, true, "callbacks"},
		{ours("callbacks"), at(private), 443, false, "callbacks"},
		{ours("one-job"), at(public), 443, true, "one-job"},
		{ours("one-job"), at(metadata), 80, false, "one-job"},
		{ours("callbacks"), theirs("kube-system"), 53, true, "callbacks"},
	} {
		for _, overlay := range []string{"kubernetes", "openshift"} {
			where := "overlays/" + overlay
			if tt.with != "" {
				where = fmt.Sprintf("components/%s over %s", tt.with, overlay)
			}
			require.Equal(t, tt.pass, passes(t, policies(t, where), tt.from, tt.to, tt.port), "%s: %v to %v:%d", where, tt.from, tt.to, tt.port)
		}
	}
}

// policies are all of a place.
func policies(t *testing.T, where string) (all []*network.NetworkPolicy) {
	t.Helper()
	for _, o := range of(every(t)[where], "NetworkPolicy") {
		decoded, err := decode(t, o)
		require.NoError(t, err)
		all = append(all, decoded.(*network.NetworkPolicy))
	}
	require.NotEmpty(t, all, where)
	return all
}
