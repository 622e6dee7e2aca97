package manifests

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	route "github.com/openshift/api/route/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// strict reads objects as the API server, KEDA, OpenShift and Prometheus' operator do, and refuses fields that they do not know.
var strict = sync.OnceValue(func() runtime.Decoder {
	s := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(s))
	utilruntime.Must(keda.AddToScheme(s))
	utilruntime.Must(monitoring.AddToScheme(s))
	utilruntime.Must(route.Install(s))
	return serializer.NewCodecFactory(s, serializer.EnableStrict).UniversalDeserializer()
})

func decode(t *testing.T, o *object) (runtime.Object, error) {
	t.Helper()
	text, err := yaml.Marshal(o.Object)
	require.NoError(t, err)
	decoded, _, err := strict().Decode(text, nil, nil)
	return decoded, err
}

func TestEveryObjectIsOneOfItsType(t *testing.T) {
	for where, objects := range every(t) {
		for _, o := range objects {
			_, err := decode(t, o)
			require.NoError(t, err, "%s: %s", where, name(o))
		}
	}
}

func TestAFieldThatNobodyKnowsIsFound(t *testing.T) {
	for _, text := range []string{
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replica: 1}\n",
		"apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {cooldown: 1}\n",
		"apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {triggers: [{typ: cron}]}\n",
		"apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: a}\nspec: {tls: {terminate: edge}}\n",
		"apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: a}\nspec: {podMetricsEndpoints: [{ports: status}]}\n",
	} {
		objects, err := read([]byte(text))
		require.NoError(t, err)
		_, err = decode(t, objects[0])
		require.ErrorContains(t, err, "unknown field", text)
	}
}

// KEDA reads a trigger's metadata as strings: a number or a boolean there is refused by the API server.
func TestTriggersSpeakInStrings(t *testing.T) {
	for where, objects := range every(t) {
		for _, o := range of(objects, "ScaledObject", "ScaledJob") {
			decoded, err := decode(t, o)
			require.NoError(t, err)
			for _, trigger := range triggersOf(decoded) {
				for key, value := range trigger.Metadata {
					require.NotEmpty(t, value, "%s: %s: %s", where, name(o), key)
				}
			}
		}
	}
}

func triggersOf(o runtime.Object) []keda.ScaleTriggers {
	switch o := o.(type) {
	case *keda.ScaledObject:
		return o.Spec.Triggers
	case *keda.ScaledJob:
		return o.Spec.Triggers
	}
	return nil
}

// What an object names of others is there, or is a Secret or a certificate that its reader is told to bring.
func TestWhatAnObjectNamesIsThere(t *testing.T) {
	for where, objects := range every(t) {
		there := map[string]bool{"Secret aws-credentials": true, "Secret cos-credentials": true, "Secret millrace": true}
		there["ConfigMap job-payload-cm"] = strings.Contains(where, "one-job")
		for _, o := range objects {
			there[name(o)] = true
			if secret := o.GetAnnotations()["service.beta.openshift.io/serving-cert-secret-name"]; secret != "" {
				there["Secret "+secret] = true
			}
		}
		for part, secret := range map[string]string{
			"gcp-key": "gcp-credentials", "pull-secret": "registry-credentials", "gateway": "millrace-keys", "gateway-hooks": "millrace-hooks",
			"gateway-ingress": "millrace-gateway-tls",
		} {
			if strings.Contains(where, part) || where == "overlays/openshift-gpu" {
				there["Secret "+secret] = true
			}
		}
		for _, o := range objects {
			for _, named := range namedBy(t, o) {
				require.True(t, there[named], "%s: %s names %s, which is not there", where, name(o), named)
			}
		}
	}
}

// namedBy is the objects that an object names, as kind and name. Those that may be absent are left out.
func namedBy(t *testing.T, o *object) []string {
	t.Helper()
	decoded, err := decode(t, o)
	require.NoError(t, err)
	names := map[string]bool{}
	switch d := decoded.(type) {
	case *apps.Deployment:
		ofPod(d.Spec.Template.Spec, names)
	case *keda.ScaledJob:
		ofPod(d.Spec.JobTargetRef.Template.Spec, names)
	case *batch.CronJob:
		ofPod(d.Spec.JobTemplate.Spec.Template.Spec, names)
	case *batch.Job:
		ofPod(d.Spec.Template.Spec, names)
	case *keda.ScaledObject:
		names["Deployment "+d.Spec.ScaleTargetRef.Name] = true
	case *keda.TriggerAuthentication:
		for _, s := range d.Spec.SecretTargetRef {
			names["Secret "+s.Name] = true
		}
		for _, c := range d.Spec.ConfigMapTargetRef {
			names["ConfigMap "+c.Name] = true
		}
	case *route.Route:
		names[d.Spec.To.Kind+" "+d.Spec.To.Name] = true
	case *network.Ingress:
		for _, tls := range d.Spec.TLS {
			names["Secret "+tls.SecretName] = true
		}
		for _, r := range d.Spec.Rules {
			for _, p := range r.HTTP.Paths {
				names["Service "+p.Backend.Service.Name] = true
			}
		}
	case *rbac.ClusterRoleBinding:
		names[d.RoleRef.Kind+" "+d.RoleRef.Name] = true
		for _, s := range d.Subjects {
			names[s.Kind+" "+s.Name] = true
		}
	case *rbac.RoleBinding:
		names[d.RoleRef.Kind+" "+d.RoleRef.Name] = true
		for _, s := range d.Subjects {
			names[s.Kind+" "+s.Name] = true
		}
	}
	for _, trigger := range triggersOf(decoded.(runtime.Object)) {
		if trigger.AuthenticationRef != nil {
			names["TriggerAuthentication "+trigger.AuthenticationRef.Name] = true
		}
		if host, _, ok := strings.Cut(trigger.Metadata["scalerAddress"], "."); ok {
			names["Service "+host] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func ofPod(spec core.PodSpec, names map[string]bool) {
	names["ServiceAccount "+spec.ServiceAccountName] = true
	for _, s := range spec.ImagePullSecrets {
		names["Secret "+s.Name] = true
	}
	for _, v := range spec.Volumes {
		if v.ConfigMap != nil {
			names["ConfigMap "+v.ConfigMap.Name] = true
		}
		if v.Secret != nil {
			names["Secret "+v.Secret.SecretName] = true
		}
	}
	for _, from := range spec.Containers[0].EnvFrom {
		if from.ConfigMapRef != nil {
			names["ConfigMap "+from.ConfigMapRef.Name] = true
		}
	}
	for _, e := range spec.Containers[0].Env {
		if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
			names["ConfigMap "+e.ValueFrom.ConfigMapKeyRef.Name] = true
		}
	}
}
