// Package manifests holds deploy's manifests against what reads them: kustomize and Helm, Kubernetes' and KEDA's types, and
// the sums that keep a busy pod alive. It is a module of its own: the product needs none of what it imports.
package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
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
var overlays = []string{"kubernetes", "openshift", "openshift-gpu", "dev"}

// An object is one of a manifest's.
type object = unstructured.Unstructured

// name is how an object is told apart from the others of a manifest.
func name(o *object) string { return o.GetKind() + " " + o.GetName() }

// kustomize builds a folder.
func kustomize(t *testing.T, folder string) []*object {
	t.Helper()
	objects, err := build(folder)
	require.NoError(t, err)
	return objects
}

func build(folder string) ([]*object, error) {
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	built, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", folder, err)
	}
	text, err := built.AsYaml()
	if err != nil {
		return nil, err
	}
	return read(text)
}

// read takes a manifest apart.
func read(text []byte) ([]*object, error) {
	var all []*object
	for part := range bytes.SplitSeq(append([]byte("\n"), text...), []byte("\n---\n")) {
		o := &object{}
		if err := yaml.UnmarshalStrict(slices.Concat(part, []byte("\n")), &o.Object); err != nil {
			return nil, fmt.Errorf("%w:\n%s", err, part)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
	return all, nil
}

// withComponents builds an overlay with components, as a user's copy of it would have them.
func withComponents(overlay string, components ...string) (_ []*object, err error) {
	folder, err := os.MkdirTemp("../overlays", ".test-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	file := filepath.Join(folder, "kustomization.yaml")
	if err := os.CopyFS(folder, os.DirFS("../overlays/"+overlay)); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if slices.Contains(components, "routes") { // it says that a ConfigMap must be made
		table, err := os.ReadFile("../components/routes/routes.yaml")
		if err := errors.Join(err, os.WriteFile(filepath.Join(folder, "routes.yaml"), table, 0o600)); err != nil {
			return nil, err
		}
		text = bytes.Replace(text, []byte("\n  - name: millrace\n"), []byte("\n  - {name: millrace-routes, files: [routes.yaml], options: {disableNameSuffixHash: true}}\n  - name: millrace\n"), 1)
	}
	text = append(text, "components:\n"...)
	for _, c := range components {
		text = append(text, "  - "+path.Join("../../components", c)+"\n"...)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	return build(folder)
}

// helm renders the chart with values over its own.
func helm(t *testing.T, values map[string]any) []*object {
	t.Helper()
	objects, err := chartWith(values)
	require.NoError(t, err)
	return objects
}

func chartWith(values map[string]any) ([]*object, error) {
	chart, err := loader.LoadDir("../chart")
	if err != nil {
		return nil, err
	}
	given, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "millrace", Namespace: "millrace", IsInstall: true}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{Strict: true}.Render(chart, given)
	if err != nil {
		return nil, err
	}
	var all []*object
	for file, text := range files {
		if strings.HasSuffix(file, ".yaml") {
			objects, err := read([]byte(text))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, objects...)
		}
	}
	return all, nil
}

// every is what the tests hold of all manifests: the overlays, and copies of them with each component and with what watches them.
func every(t *testing.T) map[string][]*object {
	t.Helper()
	all, err := builtOnce()
	require.NoError(t, err)
	return all
}

var builtOnce = sync.OnceValues(func() (map[string][]*object, error) {
	all := map[string][]*object{}
	add := func(where string, objects []*object, err error) error {
		all[where] = objects
		return err
	}
	entries, err := os.ReadDir("../components")
	for _, o := range overlays {
		objects, failed := build("../overlays/" + o)
		err = errors.Join(err, add("overlays/"+o, objects, failed))
	}
	for _, o := range []string{"kubernetes", "openshift"} {
		objects, failed := withComponents(o, "../observability")
		err = errors.Join(err, add("observability over "+o, objects, failed))
	}
	for _, e := range entries {
		with := append(before(e.Name()), e.Name())
		for _, o := range []string{"kubernetes", "openshift"} {
			objects, failed := withComponents(o, with...)
			err = errors.Join(err, add("components/"+e.Name()+" over "+o, objects, failed))
		}
	}
	return all, err
})

// before are the components that one is nothing without.
func before(component string) []string {
	switch {
	case component == "sqs-trigger-role":
		return []string{"sqs-trigger"}
	case strings.HasPrefix(component, "gateway-"):
		return []string{"gateway"}
	}
	return nil
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
			if o.GetKind() != "Namespace" && !strings.HasPrefix(o.GetKind(), "ClusterRole") {
				require.NotEmpty(t, o.GetNamespace(), "%s: %s has no namespace", where, name(o))
			}
			require.Equal(t, "millrace", o.GetLabels()["app.kubernetes.io/name"], "%s: %s", where, name(o))
		}
	}
}
