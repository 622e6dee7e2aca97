package manifests

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// The chart is held against kustomize: what users of the one get, users of the other get.
func TestTheChartMakesWhatKustomizeMakes(t *testing.T) {
	const sqs = "https://sqs.eu-central-1.amazonaws.com/111122223333/jobs-"
	for _, tt := range []struct {
		name, like, but string
		values          map[string]any
	}{
		{"its own values", "overlays/kubernetes", "", nil},
		{"OpenShift", "overlays/openshift", "", map[string]any{"openshift": true, "classes": classes("nodeSelector", map[string]any{"role": "gpu", "nvidia.com/gpu.present": nil})}},
		{"KEDA's own trigger", "components/sqs-trigger over kubernetes", "ConfigMap millrace-queues", map[string]any{
			"keda":    map[string]any{"trigger": "aws-sqs-queue", "region": "eu-central-1"},
			"classes": map[string]any{"light": map[string]any{"queue": sqs + "light"}, "heavy": map[string]any{"queue": sqs + "heavy"}, "gpu": map[string]any{"queue": sqs + "gpu"}},
		}},
		{"a secret to pull with", "components/pull-secret over kubernetes", "", map[string]any{"image": map[string]any{"pullSecret": "registry-credentials"}}},
		{"Google's key", "components/gcp-key over kubernetes", "", map[string]any{"secrets": map[string]any{"gcp": "gcp-credentials"}}},
		{"a runtime class", "components/gpu-runtime-class over kubernetes", "", map[string]any{"classes": classes("runtimeClassName", "nvidia")}},
		{"callbacks while no worker runs", "components/callbacks over kubernetes", "", map[string]any{"callbacks": map[string]any{"enabled": true}}},
		{"a look from within", "components/doctor over kubernetes", "", map[string]any{"doctor": map[string]any{"enabled": true}}},
		{"a worker that is woken for callbacks", "components/wake-for-callbacks over kubernetes", "", map[string]any{"callbacks": map[string]any{"wake": "light"}}},
		{"a gateway", "components/gateway over kubernetes", "", map[string]any{"gateway": gateway(false)}},
		{"a gateway with webhooks", "components/gateway-hooks over kubernetes", "", map[string]any{"gateway": map[string]any{"enabled": true, "hooks": "millrace-hooks"}}},
		{"a gateway at a name", "components/gateway-ingress over kubernetes", "", map[string]any{"gateway": gateway(true)}},
		{"a gateway by a router", "components/gateway-route over kubernetes", "", map[string]any{"gateway": map[string]any{"enabled": true, "route": map[string]any{"enabled": true}}}},
		{"a routing table", "components/routes over kubernetes", "", map[string]any{"routes": text(t, "../components/routes/routes.yaml")}},
		{"what Prometheus watches", "observability over kubernetes", "", map[string]any{"monitoring": map[string]any{"enabled": true}}},
		{"roles of AWS", "components/irsa over kubernetes", "", map[string]any{"serviceAccounts": map[string]any{
			"worker": map[string]any{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/millrace-worker"},
			"scaler": map[string]any{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/millrace-scaler"},
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := every(t)[tt.like]
			require.NotEmpty(t, want)
			theirs, ours := plain(t, want), plain(t, helm(t, tt.values))
			require.Equal(t, slices.Sorted(maps.Keys(theirs)), slices.Sorted(maps.Keys(ours)))
			delete(theirs, tt.but)
			for key, text := range theirs {
				require.Equal(t, text, ours[key], key)
			}
		})
	}
}

// gateway is one, and the name at which it is reached.
func gateway(named bool) map[string]any {
	all := map[string]any{"enabled": true}
	if named {
		all["ingress"] = map[string]any{"host": "millrace.example.com", "tls": "millrace-gateway-tls"}
	}
	return all
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(b)
}

// classes says something of the class gpu.
func classes(key string, value any) map[string]any {
	return map[string]any{"gpu": map[string]any{key: value}}
}

// plain is a manifest by the names of its objects: without the namespace, which Helm makes itself, without hashes
// behind names, and as its type writes it.
func plain(t *testing.T, objects []*object) map[string]string {
	t.Helper()
	hash := regexp.MustCompile(`\b(millrace|millrace-queues)-[a-z0-9]{10}\b`)
	all := map[string]string{}
	for _, o := range objects {
		if o.GetKind() == "Namespace" {
			continue
		}
		decoded, err := decode(t, o)
		require.NoError(t, err, name(o))
		if d, ok := decoded.(*apps.Deployment); ok {
			inOrder(&d.Spec.Template.Spec)
		}
		text, err := yaml.Marshal(decoded)
		require.NoError(t, err)
		key := hash.ReplaceAllString(name(o), "$1")
		require.NotContains(t, all, key)
		all[key] = hash.ReplaceAllString(string(text), "$1")
	}
	return all
}

// inOrder sorts what has names, and no meaning in its order.
func inOrder(spec *core.PodSpec) {
	c := &spec.Containers[0]
	slices.SortFunc(c.Env, func(a, b core.EnvVar) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.VolumeMounts, func(a, b core.VolumeMount) int { return strings.Compare(a.MountPath, b.MountPath) })
	slices.SortFunc(spec.Volumes, func(a, b core.Volume) int { return strings.Compare(a.Name, b.Name) })
}

func TestTheChartRefusesWhatCantBe(t *testing.T) {
	off := map[string]any{"enabled": false}
	for _, tt := range []struct {
		want   string
		values map[string]any
	}{
		{"classes.gpu.target is above its slots", map[string]any{"classes": classes("target", 5)}},
		{"classes.gpu.terminationGracePeriodSeconds is not 30 above its grace", map[string]any{"classes": classes("terminationGracePeriodSeconds", 629)}},
		{"classes.gpu.terminationGracePeriodSeconds is not 30 above its grace", map[string]any{"classes": classes("grace", "1h10m")}},
		{"KEDA's own trigger asks SQS by URL", map[string]any{"keda": map[string]any{"trigger": "aws-sqs-queue", "region": "eu-central-1"}}},
		{"keda.region: KEDA's own trigger needs it", map[string]any{
			"keda":    map[string]any{"trigger": "aws-sqs-queue"},
			"classes": map[string]any{"light": map[string]any{"queue": "https://h/1/q"}, "heavy": off, "gpu": off},
		}},
		{"classes.gpu.queue is empty", map[string]any{"classes": classes("queue", "")}},
		{"/classes/gpu/queue", map[string]any{"classes": classes("queue", "sqs:a,heavy=sqs:b")}},
		{"/classes/gpu/queue", map[string]any{"classes": classes("queue", "local")}},
		{"/classes", map[string]any{"classes": map[string]any{"all": classes("slots", 1)["gpu"]}}},
		{"/classes", map[string]any{"classes": map[string]any{"scaler": classes("slots", 1)["gpu"]}}},
		{"'clases' not allowed", map[string]any{"clases": map[string]any{}}},
		{"'slot' not allowed", map[string]any{"classes": classes("slot", 2)}},
		{"MILLRACE_STORE", map[string]any{"settings": map[string]any{"MILLRACE_STORE": "local"}}},
		{"gateway.keys is empty", map[string]any{"gateway": map[string]any{"enabled": true, "keys": ""}}},
		{"gateway.ingress.tls is empty", map[string]any{"gateway": map[string]any{"enabled": true, "ingress": map[string]any{"host": "a.example.com"}}}},
		{"'replica' not allowed", map[string]any{"gateway": map[string]any{"replica": 1}}},
		{"/keda/trigger", map[string]any{"keda": map[string]any{"trigger": "cron"}}},
	} {
		_, err := chartWith(tt.values)
		require.ErrorContains(t, err, tt.want)
	}
}

// Helm reads numbers as floats, and would write 1e+07.
func TestTheChartWritesSettingsAsTheyAreMeant(t *testing.T) {
	objects := helm(t, map[string]any{"settings": map[string]any{
		"MILLRACE_PAYLOAD_MAX": 10485760.0, "MILLRACE_SHELL": "none", "MILLRACE_KAFKA_TLS": true, "MILLRACE_NAME": `a "b": <c>`,
	}})
	i := slices.IndexFunc(objects, func(o *object) bool {
		return o.GetKind() == "ConfigMap" && o.Object["data"].(map[string]any)["MILLRACE_STORE"] != nil
	})
	data := objects[i].Object["data"].(map[string]any)
	require.Equal(t, "10485760", data["MILLRACE_PAYLOAD_MAX"])
	require.Equal(t, "none", data["MILLRACE_SHELL"])
	require.Equal(t, "true", data["MILLRACE_KAFKA_TLS"])
	require.Equal(t, `a "b": <c>`, data["MILLRACE_NAME"])
}

func TestAClassThatIsNotEnabledHasNoWorkers(t *testing.T) {
	objects := helm(t, map[string]any{"classes": classes("enabled", false)})
	require.False(t, slices.ContainsFunc(objects, func(o *object) bool { return o.GetName() == "millrace-gpu" }))
	require.True(t, slices.ContainsFunc(objects, func(o *object) bool { return o.GetName() == "millrace-heavy" }))
}
