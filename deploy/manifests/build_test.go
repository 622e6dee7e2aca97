// Package manifests holds deploy's manifests against what reads them: kustomize and Helm, Kubernetes' and KEDA's types, and
// the sums that keep a busy pod alive. It is a module of its own: the product needs none of what it imports.
package manifests

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// overlays are the folders that a user applies.
var overlays = []string{"kubernetes", "openshift", "dev"}

// An object is one of a manifest's.
type object = unstructured.Unstructured

// name is how an object is told apart from the others of a manifest.
func name(o *object) string { return o.GetKind() + " " + o.GetName() }

// kustomize builds a folder, and fails the test where that warns.
func kustomize(t *testing.T, folder string) []*object {
	t.Helper()
	return buildIn(t, filesys.MakeFsOnDisk(), folder)
}

func buildIn(t *testing.T, files filesys.FileSystem, folder string) []*object {
	t.Helper()
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	built, err := krusty.MakeKustomizer(options).Run(files, folder)
	require.NoError(t, err, folder)
	text, err := built.AsYaml()
	require.NoError(t, err)
	return read(t, text)
}

// read takes a manifest apart.
func read(t *testing.T, text []byte) []*object {
	t.Helper()
	var all []*object
	for _, part := range documents(text) {
		o := &object{}
		require.NoError(t, yaml.UnmarshalStrict(part, &o.Object), "%s", part)
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
	return all
}

func documents(text []byte) [][]byte {
	return bytes.Split(append([]byte("\n"), text...), []byte("\n---\n"))
}

// withComponents builds an overlay with components, as a user's copy of it would have them.
func withComponents(t *testing.T, overlay string, components ...string) []*object {
	t.Helper()
	folder, err := os.MkdirTemp("../overlays", ".test-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	require.NoError(t, os.CopyFS(folder, os.DirFS("../overlays/"+overlay)))
	file := filepath.Join(folder, "kustomization.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text = append(text, "components:\n"...)
	for _, c := range components {
		text = append(text, "  - ../../components/"+c+"\n"...)
	}
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return kustomize(t, folder)
}

// helm renders the chart with values over its own.
func helm(t *testing.T, values map[string]any) []*object {
	t.Helper()
	c, err := loader.LoadDir("../chart")
	require.NoError(t, err)
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "millrace", Namespace: "millrace", IsInstall: true}, chartutil.DefaultCapabilities)
	require.NoError(t, err)
	return rendered(t, c, all)
}

func rendered(t *testing.T, c *chart.Chart, values chartutil.Values) []*object {
	t.Helper()
	files, err := engine.Engine{Strict: true}.Render(c, values)
	require.NoError(t, err)
	var all []*object
	for file, text := range files {
		if strings.HasSuffix(file, ".yaml") {
			all = append(all, read(t, []byte(text))...)
		}
	}
	return all
}

// every is what the tests hold of all manifests: the overlays, each with every component that fits it, and the chart.
func every(t *testing.T) map[string][]*object {
	t.Helper()
	all := map[string][]*object{}
	for _, o := range overlays {
		all["overlays/"+o] = kustomize(t, "../overlays/"+o)
	}
	for _, c := range components(t) {
		with := []string{c}
		if c == "sqs-trigger-role" {
			with = []string{"sqs-trigger", c}
		}
		for _, o := range []string{"kubernetes", "openshift"} {
			all["components/"+c+" over "+o] = withComponents(t, o, with...)
		}
	}
	return all
}

func components(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("../components")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// of are the objects of a kind.
func of(all []*object, kinds ...string) []*object {
	var found []*object
	for _, o := range all {
		if slices.Contains(kinds, o.GetKind()) {
			found = append(found, o)
		}
	}
	return found
}

func TestEveryOverlayAndComponentBuilds(t *testing.T) {
	for where, objects := range every(t) {
		require.Greater(t, len(objects), 10, where)
		seen := map[string]bool{}
		for _, o := range objects {
			require.False(t, seen[name(o)], "%s: %s stands there twice", where, name(o))
			seen[name(o)] = true
			if o.GetKind() != "Namespace" {
				require.NotEmpty(t, o.GetNamespace(), "%s: %s has no namespace", where, name(o))
			}
			require.Equal(t, "millrace", o.GetLabels()["app.kubernetes.io/name"], "%s: %s", where, name(o))
		}
	}
}
