package manifests

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// A workload is what makes pods.
type workload struct {
	where, name string
	template    core.PodTemplateSpec
	deployment  *apps.Deployment // nil of others
}

func workloads(t *testing.T) []workload {
	t.Helper()
	var all []workload
	for where, objects := range every(t) {
		all = append(all, workloadsOf(t, where, objects)...)
	}
	require.NotEmpty(t, all)
	return all
}

func workloadsOf(t *testing.T, where string, objects []*object) (all []workload) {
	t.Helper()
	for _, o := range of(objects, "Deployment", "ScaledJob", "CronJob", "Job") {
		decoded, err := decode(t, o)
		require.NoError(t, err)
		w := workload{where: where, name: where + ": " + name(o)}
		switch d := decoded.(type) {
		case *apps.Deployment:
			w.template, w.deployment = d.Spec.Template, d
		case *keda.ScaledJob:
			w.template = d.Spec.JobTargetRef.Template
		case *batch.CronJob:
			w.template = d.Spec.JobTemplate.Spec.Template
		case *batch.Job:
			w.template = d.Spec.Template
		}
		all = append(all, w)
	}
	return all
}

func (w workload) is(component string) bool {
	return w.template.Labels["app.kubernetes.io/component"] == component
}

func (w workload) isWorker() bool { return w.is("worker") }

func (w workload) container() core.Container { return w.template.Spec.Containers[0] }

// env is a variable that stands in the manifest.
func (w workload) env(name string) string {
	i := slices.IndexFunc(w.container().Env, func(e core.EnvVar) bool { return e.Name == name })
	if i < 0 {
		return ""
	}
	return w.container().Env[i].Value
}

// What restricted-v2 and the restricted level of pod security ask, and what an image whose root can't be written needs.
func TestPodsAreRestrictedAndBelongToNobody(t *testing.T) {
	for _, w := range workloads(t) {
		spec, c := w.template.Spec, w.container()
		require.Len(t, spec.Containers, 1, w.name)
		require.True(t, *spec.SecurityContext.RunAsNonRoot, w.name)
		require.Equal(t, core.SeccompProfileTypeRuntimeDefault, spec.SecurityContext.SeccompProfile.Type, w.name)
		require.Nil(t, spec.SecurityContext.RunAsUser, "%s: OpenShift gives the user", w.name)
		require.Nil(t, spec.SecurityContext.FSGroup, "%s: OpenShift gives the group", w.name)
		require.Nil(t, spec.SecurityContext.SELinuxOptions, w.name)
		require.Nil(t, c.SecurityContext.RunAsUser, w.name)
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, w.name)
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation, w.name)
		require.Equal(t, []core.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, w.name)
		require.Empty(t, c.SecurityContext.Capabilities.Add, w.name)
		require.False(t, spec.HostNetwork || spec.HostPID || spec.HostIPC, w.name)
		require.False(t, *spec.EnableServiceLinks, w.name)
		require.Equal(t, w.is("scaler") || w.is("doctor"), *spec.AutomountServiceAccountToken, "%s: who asks the API server alone has a token", w.name)
		for _, v := range spec.Volumes {
			require.Nil(t, v.HostPath, w.name)
		}
	}
}

// writable is what the image's programs write to (docs/image.md).
func TestWorkersHaveWhereToWrite(t *testing.T) {
	for _, w := range workloads(t) {
		if !w.isWorker() && !w.is("one-job") {
			continue
		}
		empty := map[string]bool{}
		for _, v := range w.template.Spec.Volumes {
			empty[v.Name] = v.EmptyDir != nil && !v.EmptyDir.SizeLimit.IsZero()
		}
		for _, path := range []string{"/home/workspace", "/tmp", "/home/millrace"} {
			require.True(t, slices.ContainsFunc(w.container().VolumeMounts, func(m core.VolumeMount) bool {
				return m.MountPath == path && !m.ReadOnly && empty[m.Name]
			}), "%s: nothing of a limited size is mounted at %s", w.name, path)
		}
	}
}

// Before a bucket a gateway keeps 8 MiB of each upload in /tmp, and takes a thousand at once (--uploads). Kubernetes evicts a pod that
// has more in a volume than its limit, with all uploads that were under way.
func TestGatewaysHaveRoomForTheUploadsThatTheyTake(t *testing.T) {
	const need = 1000 * 8 << 20
	seen := false
	for _, w := range workloads(t) {
		if !w.is("gateway") {
			continue
		}
		seen = true
		mount := slices.IndexFunc(w.container().VolumeMounts, func(m core.VolumeMount) bool { return m.MountPath == "/tmp" && !m.ReadOnly })
		require.GreaterOrEqual(t, mount, 0, w.name)
		volume := slices.IndexFunc(w.template.Spec.Volumes, func(v core.Volume) bool { return v.Name == w.container().VolumeMounts[mount].Name })
		empty := w.template.Spec.Volumes[volume].EmptyDir
		require.Empty(t, empty.Medium, "%s: memory counts as the pod's own", w.name)
		require.GreaterOrEqual(t, empty.SizeLimit.Value(), int64(need), w.name)
		require.Empty(t, w.env("MILLRACE_UPLOADS"), w.name)
	}
	require.True(t, seen)
}

func TestEveryContainerHasRequestsLimitsAndProbes(t *testing.T) {
	for _, w := range workloads(t) {
		c := w.container()
		for _, r := range []core.ResourceName{core.ResourceCPU, core.ResourceMemory} {
			request, limit := c.Resources.Requests[r], c.Resources.Limits[r]
			require.False(t, request.IsZero() || limit.IsZero(), "%s: %s", w.name, r)
			require.LessOrEqual(t, request.Cmp(limit), 0, "%s: %s", w.name, r)
		}
		if w.is("callbacks") || w.is("doctor") || w.is("one-job") {
			continue // it ends by itself
		}
		require.Equal(t, "/healthz", c.LivenessProbe.HTTPGet.Path, w.name)
		require.Equal(t, "/readyz", c.ReadinessProbe.HTTPGet.Path, w.name)
		port := slices.IndexFunc(c.Ports, func(p core.ContainerPort) bool { return p.Name == c.LivenessProbe.HTTPGet.Port.StrVal })
		require.GreaterOrEqual(t, port, 0, w.name)
		require.Equal(t, "0.0.0.0:"+strconv.Itoa(int(c.Ports[port].ContainerPort)), w.env("MILLRACE_STATUS"), w.name)
	}
}

// The figures of the ModelOps worker classes (docs/image.md).
func TestClassesHaveTheirFigures(t *testing.T) {
	want := map[string][]string{
		"light": {"250m", "512Mi", "1", "2Gi", "5Gi", "0"},
		"heavy": {"2", "4Gi", "8", "16Gi", "10Gi", "0"},
		"gpu":   {"4", "8Gi", "16", "32Gi", "20Gi", "1"},
	}
	for _, o := range of(kustomize(t, "../overlays/kubernetes"), "Deployment") {
		class := o.GetLabels()["millrace/class"]
		if class == "" {
			continue
		}
		decoded, err := decode(t, o)
		require.NoError(t, err)
		spec := decoded.(*apps.Deployment).Spec.Template.Spec
		r := spec.Containers[0].Resources
		gpus := r.Limits["nvidia.com/gpu"]
		require.Equal(t, want[class], []string{
			r.Requests.Cpu().String(), r.Requests.Memory().String(), r.Limits.Cpu().String(), r.Limits.Memory().String(),
			spec.Volumes[0].EmptyDir.SizeLimit.String(), gpus.String(),
		}, class)
		delete(want, class)
	}
	require.Empty(t, want)
}

// Who asks a queue has all that may open it: the keys of AWS and of COS, and COS' API key, which is the only thing that the scaler
// and the gateway have of what the workers' Secret holds.
func TestWhoAsksAQueueHasItsKeys(t *testing.T) {
	want := []string{
		"aws-credentials access-key-id", "aws-credentials secret-access-key", "cos-credentials access_key_id", "cos-credentials secret_access_key",
	}
	for _, w := range workloads(t) {
		var keys, whole []string
		for _, e := range w.container().Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				require.True(t, *e.ValueFrom.SecretKeyRef.Optional, "%s: %s", w.name, e.Name)
				keys = append(keys, e.ValueFrom.SecretKeyRef.Name+" "+e.ValueFrom.SecretKeyRef.Key)
			}
		}
		for _, from := range w.container().EnvFrom {
			if from.SecretRef != nil {
				whole = append(whole, from.SecretRef.Name)
			}
		}
		if w.is("scaler") || w.is("gateway") {
			require.Equal(t, append(want, "millrace MILLRACE_COS_API_KEY"), keys, w.name)
			require.Empty(t, whole, w.name)
			continue
		}
		require.Equal(t, want, keys, w.name)
		require.Equal(t, []string{"millrace"}, whole, w.name)
	}
}

func TestGPUWorkersGoWhereGPUsAre(t *testing.T) {
	selectors := map[string]map[string]string{}
	for _, w := range workloads(t) {
		_, asks := w.container().Resources.Limits["nvidia.com/gpu"]
		require.Equal(t, w.template.Labels["millrace/class"] == "gpu" || w.is("one-job"), asks, w.name)
		if !asks {
			require.Empty(t, w.template.Spec.Tolerations, w.name)
			continue
		}
		require.Contains(t, w.template.Spec.Tolerations, core.Toleration{Key: "nvidia.com/gpu", Operator: core.TolerationOpExists, Effect: core.TaintEffectNoSchedule}, w.name)
		if w.isWorker() {
			selectors[w.where] = w.template.Spec.NodeSelector
		}
	}
	require.Equal(t, map[string]string{"nvidia.com/gpu.present": "true"}, selectors["overlays/kubernetes"])
	require.Equal(t, map[string]string{"role": "gpu"}, selectors["overlays/openshift"])
	require.Equal(t, map[string]string{"role": "gpu", "nvidia.com/gpu.product": "NVIDIA-L4"}, selectors["components/gpu-product over openshift"])
	require.Equal(t, map[string]string{"role": "gpu", "accelerator": "nvidia-l4"}, selectors["components/gpu-accelerator over openshift"])
}

// A pod outlives the grace of its jobs or requests: what is given back must be given back, and why must be written.
func TestPodsOutliveTheGraceOfTheirWork(t *testing.T) {
	for _, w := range workloads(t) {
		if !w.isWorker() && !w.is("gateway") {
			continue
		}
		grace, err := time.ParseDuration(w.env("MILLRACE_GRACE"))
		require.NoError(t, err, w.name)
		given := time.Duration(*w.template.Spec.TerminationGracePeriodSeconds) * time.Second
		require.GreaterOrEqual(t, given, grace+30*time.Second, w.name)
	}
}

// Components are taken in together: what pods need reaches those of the others.
func TestComponentsReachThePodsOfOthers(t *testing.T) {
	objects, err := withComponents("openshift", "long-jobs", "gateway", "gateway-hooks", "gateway-route", "routes", "callbacks", "gcp-key", "pull-secret", "irsa", "private-endpoints", "gpu-product", "gpu-runtime-class", "gpu-spot")
	require.NoError(t, err)
	pods := workloadsOf(t, "all", objects)
	require.Len(t, pods, 7)
	for _, w := range pods {
		require.Equal(t, []core.LocalObjectReference{{Name: "registry-credentials"}}, w.template.Spec.ImagePullSecrets, w.name)
		if w.isWorker() {
			require.Equal(t, "/etc/millrace/gcp/key.json", w.env("GOOGLE_APPLICATION_CREDENTIALS"), w.name)
			require.True(t, slices.ContainsFunc(w.template.Spec.Volumes, func(v core.Volume) bool {
				return v.Name == "gcp" && v.Secret.SecretName == "gcp-credentials"
			}), w.name)
			require.True(t, slices.ContainsFunc(w.container().VolumeMounts, func(m core.VolumeMount) bool { return m.Name == "gcp" }), w.name)
		}
		if w.isWorker() || w.is("gateway") {
			require.Equal(t, "/etc/millrace/routes/routes.yaml", w.env("MILLRACE_ROUTES"), w.name)
			require.True(t, slices.ContainsFunc(w.template.Spec.Volumes, func(v core.Volume) bool {
				return v.Name == "routes" && v.ConfigMap.Name == "millrace-routes"
			}), w.name)
			require.True(t, slices.ContainsFunc(w.container().VolumeMounts, func(m core.VolumeMount) bool {
				return m.Name == "routes" && m.MountPath == "/etc/millrace/routes" && m.SubPath == "" // a subPath would never change
			}), w.name)
		}
	}
}

// G1: VideoGenie's shape, less its mistake: what ends after one job is no Deployment, which would start it again.
func TestG1OneJobIsRunOnceFromAConfigMap(t *testing.T) {
	found := 0
	for _, w := range workloads(t) {
		if !w.is("one-job") {
			continue
		}
		found++
		require.Nil(t, w.deployment, w.name)
		require.Equal(t, core.RestartPolicyNever, w.template.Spec.RestartPolicy, w.name)
		require.Equal(t, map[string]string{"role": "gpu"}, w.template.Spec.NodeSelector, w.name)
		require.Equal(t, []string{"run"}, w.container().Args, w.name)
		i := slices.IndexFunc(w.container().Env, func(e core.EnvVar) bool { return e.Name == "JOB_PAYLOAD" })
		require.Equal(t, &core.ConfigMapKeySelector{LocalObjectReference: core.LocalObjectReference{Name: "job-payload-cm"}, Key: "payload.json"}, w.container().Env[i].ValueFrom.ConfigMapKeyRef, w.name)
	}
	require.Equal(t, 2, found)
}

// Jobs of hours are not ended by the deadline of others; SQS holds a message for 12 h.
func TestLongJobsHaveHours(t *testing.T) {
	for _, w := range workloads(t) {
		if w.template.Labels["millrace/class"] == "long" {
			d, err := time.ParseDuration(w.env("MILLRACE_DEADLINE"))
			require.NoError(t, err, w.name)
			require.Greater(t, d, 4*time.Hour, w.name)
			require.Less(t, d, 12*time.Hour-10*time.Minute, w.name)
		}
	}
}

// Nothing scales the gateway: it is two pods, so that one may go.
func TestNothingButKEDASetsReplicasOfWorkers(t *testing.T) {
	for _, w := range workloads(t) {
		switch {
		case w.deployment == nil:
		case w.is("gateway"):
			require.EqualValues(t, 2, *w.deployment.Spec.Replicas, w.name)
		default:
			require.Nil(t, w.deployment.Spec.Replicas, w.name)
		}
	}
}

func TestSelectorsAndBudgetsFindTheirPods(t *testing.T) {
	for where, objects := range every(t) {
		for _, o := range of(objects, "Deployment") {
			decoded, err := decode(t, o)
			require.NoError(t, err)
			d := decoded.(*apps.Deployment)
			require.True(t, selects(t, d.Spec.Selector, d.Spec.Template.Labels), "%s: %s", where, name(o))
			others := 0
			for _, other := range of(objects, "Deployment") {
				decoded, err := decode(t, other)
				require.NoError(t, err)
				if selects(t, d.Spec.Selector, decoded.(*apps.Deployment).Spec.Template.Labels) {
					others++
				}
			}
			require.Equal(t, 1, others, "%s: %s takes another's pods", where, name(o))
			if d.Labels["app.kubernetes.io/component"] != "scaler" {
				require.True(t, hasBudget(t, objects, d), "%s: %s has no budget of disruptions", where, name(o))
			}
		}
	}
}

func hasBudget(t *testing.T, objects []*object, d *apps.Deployment) bool {
	t.Helper()
	return slices.ContainsFunc(of(objects, "PodDisruptionBudget"), func(o *object) bool {
		decoded, err := decode(t, o)
		require.NoError(t, err)
		b := decoded.(*policy.PodDisruptionBudget)
		require.Greater(t, b.Spec.MaxUnavailable.IntValue(), 0, "a node that is drained would wait for ever")
		return selects(t, b.Spec.Selector, d.Spec.Template.Labels)
	})
}

func selects(t *testing.T, s *meta.LabelSelector, of map[string]string) bool {
	t.Helper()
	selector, err := meta.LabelSelectorAsSelector(s)
	require.NoError(t, err)
	return selector.Matches(labels.Set(of))
}

func TestTheScalersRoleIsTheOnlyOneThatChangesAnything(t *testing.T) {
	for where, objects := range every(t) {
		roles := slices.DeleteFunc(of(objects, "Role", "ClusterRole"), func(o *object) bool { return o.GetName() == "millrace-doctor" })
		if strings.Contains(where, "sqs-trigger") {
			require.Empty(t, roles, where)
			continue
		}
		require.Len(t, roles, 1, where)
		decoded, err := decode(t, roles[0])
		require.NoError(t, err)
		require.Equal(t, []rbac.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch", "patch"}}}, decoded.(*rbac.Role).Rules, where)
	}
}

func TestTheDoctorReadsAndReadsNoSecret(t *testing.T) {
	found := 0
	for where, objects := range every(t) {
		for _, o := range of(objects, "Role", "ClusterRole") {
			if o.GetName() != "millrace-doctor" {
				continue
			}
			found++
			decoded, err := decode(t, o)
			require.NoError(t, err)
			for _, r := range rulesOf(decoded) {
				require.NotContains(t, append(r.Resources, r.APIGroups...), "*", where)
				require.NotContains(t, r.Resources, "secrets", where)
				if slices.Equal(r.Resources, []string{"localsubjectaccessreviews"}) {
					continue // it is a question
				}
				for _, verb := range r.Verbs {
					require.Contains(t, []string{"get", "list"}, verb, "%s: %v", where, r)
				}
			}
		}
	}
	require.NotZero(t, found)
}

func rulesOf(role any) []rbac.PolicyRule {
	if whole, ok := role.(*rbac.ClusterRole); ok {
		return whole.Rules
	}
	return role.(*rbac.Role).Rules
}
