package manifests

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A scaled is a ScaledObject and the pods that it makes.
type scaled struct {
	where, name string
	object      *keda.ScaledObject
	of          workload
}

func scaledObjects(t *testing.T) []scaled {
	t.Helper()
	var all []scaled
	pods := workloads(t)
	for where, objects := range every(t) {
		for _, o := range of(objects, "ScaledObject") {
			decoded, err := decode(t, o)
			require.NoError(t, err)
			s := scaled{where: where, name: where + ": " + name(o), object: decoded.(*keda.ScaledObject)}
			i := slices.IndexFunc(pods, func(w workload) bool {
				return w.where == where && w.deployment != nil && w.deployment.Name == s.object.Spec.ScaleTargetRef.Name
			})
			require.GreaterOrEqual(t, i, 0, "%s scales nothing", s.name)
			s.of = pods[i]
			all = append(all, s)
		}
	}
	require.NotEmpty(t, all)
	return all
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// Every class of workers has one ScaledObject: a second one for the same Deployment would fight the first.
func TestEveryClassIsScaledOnce(t *testing.T) {
	seen := map[string]int{}
	for _, s := range scaledObjects(t) {
		seen[s.of.name]++
	}
	for _, w := range workloads(t) {
		if w.isWorker() && w.deployment != nil {
			require.Equal(t, 1, seen[w.name], w.name)
		}
	}
}

func TestWorkersWakeFromZeroAndGoBack(t *testing.T) {
	for _, s := range scaledObjects(t) {
		spec := s.object.Spec
		require.EqualValues(t, 0, *spec.MinReplicaCount, s.name)
		require.Nil(t, spec.IdleReplicaCount, s.name)
		require.Nil(t, spec.Fallback, "%s: a fallback can't lift from zero, and hides that the scaler is down", s.name)
		require.Greater(t, *spec.CooldownPeriod, *spec.PollingInterval, "%s: between two questions all pods would go", s.name)
		require.Nil(t, spec.Advanced.HorizontalPodAutoscalerConfig.Behavior.ScaleDown, s.name)
		if s.where == "overlays/dev" {
			continue
		}
		up := spec.Advanced.HorizontalPodAutoscalerConfig.Behavior.ScaleUp
		require.EqualValues(t, 30, *spec.PollingInterval, s.name)
		require.EqualValues(t, 300, *spec.CooldownPeriod, s.name)
		require.EqualValues(t, 10, *spec.MaxReplicaCount, s.name)
		require.EqualValues(t, 30, *up.StabilizationWindowSeconds, s.name)
		require.Len(t, up.Policies, 1, s.name)
		require.EqualValues(t, 100, up.Policies[0].Value, s.name)
		require.EqualValues(t, 60, up.Policies[0].PeriodSeconds, s.name)
	}
}

// With a target above the slots of a pod, messages that all run would ask for fewer pods than run them.
func TestWhatRunsKeepsItsPods(t *testing.T) {
	for _, s := range scaledObjects(t) {
		require.Len(t, s.object.Spec.Triggers, 1, s.name)
		trigger, slots := s.object.Spec.Triggers[0], number(t, s.of.env("MILLRACE_SLOTS"))
		target := map[string]string{"external-push": "target", "aws-sqs-queue": "queueLength"}[trigger.Type]
		require.LessOrEqual(t, number(t, trigger.Metadata[target]), slots, s.name)
		if s.of.template.Labels["millrace/class"] == "gpu" {
			require.Equal(t, "1", trigger.Metadata[target], s.name)
		}
		if s.of.template.Labels["millrace/class"] == "light" {
			require.Equal(t, "5", trigger.Metadata[target], s.name)
		}
		if trigger.Type == "aws-sqs-queue" {
			require.Equal(t, "true", trigger.Metadata["scaleOnInFlight"], s.name)
			require.Equal(t, "true", trigger.Metadata["scaleOnDelayed"], s.name)
			require.Equal(t, "0", trigger.Metadata["activationQueueLength"], s.name)
			require.True(t, strings.HasSuffix(trigger.Metadata["queueURL"], "/jobs-"+s.of.template.Labels["millrace/class"]), s.name)
			require.Contains(t, trigger.Metadata["queueURL"], "."+trigger.Metadata["awsRegion"]+".", s.name)
			continue
		}
		require.Equal(t, strconv.Itoa(slots), trigger.Metadata["slots"], s.name)
		require.Equal(t, s.of.template.Labels["millrace/class"], trigger.Metadata["queue"], s.name)
	}
}

// The queue that a class works on is one that the scaler watches under the name that the class's ScaledObject asks for.
func TestTheScalerKnowsTheQueuesThatWorkersServe(t *testing.T) {
	for where, objects := range every(t) {
		for _, o := range of(objects, "ConfigMap") {
			if !strings.HasPrefix(o.GetName(), "millrace-queues") {
				continue
			}
			decoded, err := decode(t, o)
			require.NoError(t, err)
			queues := decoded.(*core.ConfigMap).Data
			var want []string
			for _, class := range []string{"light", "heavy", "gpu"} {
				if queues[class] != "" {
					want = append(want, class+"="+queues[class])
				}
			}
			require.Equal(t, strings.Join(want, ","), queues["all"], where)
		}
	}
	for _, w := range workloads(t) {
		if w.isWorker() {
			require.Equal(t, "class="+w.template.Labels["millrace/class"], w.env("MILLRACE_LABELS"), w.name)
			i := slices.IndexFunc(w.container().Env, func(e core.EnvVar) bool { return e.Name == "MILLRACE_QUEUE" })
			require.Equal(t, w.template.Labels["millrace/class"], w.container().Env[i].ValueFrom.ConfigMapKeyRef.Key, w.name)
		}
	}
}

func TestKEDAFindsTheScalerInItsNamespace(t *testing.T) {
	for where, objects := range every(t) {
		for _, o := range of(objects, "ScaledObject", "ScaledJob") {
			decoded, err := decode(t, o)
			require.NoError(t, err)
			for _, trigger := range triggersOf(decoded) {
				if trigger.Metadata["scalerAddress"] == "" {
					continue
				}
				require.Equal(t, o.GetKind() == "ScaledObject", trigger.Type == "external-push", "KEDA takes pushes for ScaledObjects alone")
				require.Equal(t, "millrace-scaler."+o.GetNamespace()+".svc:9090", trigger.Metadata["scalerAddress"], "%s: %s", where, name(o))
				service := of(objects, "Service")[0]
				require.Equal(t, service.GetAnnotations() != nil, trigger.Metadata["enableTLS"] == "true", "%s: %s: TLS on one side only", where, name(o))
			}
		}
	}
}

func TestNothingIsLetThroughThatNoPolicyNames(t *testing.T) {
	for _, w := range workloads(t) {
		if w.where == "overlays/dev" {
			continue
		}
		var deny, dns bool
		for _, p := range policiesOf(t, w) {
			deny = deny || len(p.Spec.Ingress) == 0 && len(p.Spec.Egress) == 0 && len(p.Spec.PolicyTypes) == 2
			dns = dns || len(p.Spec.Egress) > 0 && slices.ContainsFunc(p.Spec.Egress[0].Ports, func(port network.NetworkPolicyPort) bool { return port.Port.IntValue() == 53 })
			for _, rule := range p.Spec.Ingress {
				require.NotEmpty(t, rule.From, "%s: %s lets anybody in", w.name, p.Name)
				for _, port := range rule.Ports {
					require.True(t, listens(w, *port.Port), "%s: %s lets in to port %s, where nothing listens", w.name, p.Name, port.Port)
				}
			}
			for _, rule := range p.Spec.Egress {
				require.NotEmpty(t, rule.Ports, "%s: %s lets out to any port", w.name, p.Name)
				require.True(t, len(rule.To) > 0 || w.is("scaler") || w.is("doctor"), "%s: %s lets pods out to anybody", w.name, p.Name)
			}
		}
		require.True(t, deny && dns, w.name)
	}
}

func listens(w workload, port intstr.IntOrString) bool {
	return slices.ContainsFunc(w.container().Ports, func(p core.ContainerPort) bool { return int(p.ContainerPort) == port.IntValue() })
}

func policiesOf(t *testing.T, w workload) []*network.NetworkPolicy {
	t.Helper()
	return slices.DeleteFunc(policies(t, w.where), func(p *network.NetworkPolicy) bool { return !selects(t, &p.Spec.PodSelector, w.template.Labels) })
}
