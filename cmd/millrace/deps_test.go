package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/millrace/millrace"

// mechanisms know nothing of modules: a module, the engine and the worker all stand on them.
var mechanisms = []string{
	"modules/argv/...", "modules/blender/...", "modules/blob/...", "modules/chromium/...", "modules/cloud/...", "modules/disk/...", "modules/document/...", "modules/egress/...", "modules/fault/...", "modules/gear/...", "modules/glb/...",
	"modules/gltfcheck/...", "modules/gltfpack/...", "modules/gpu/...", "modules/onnx/...", "modules/proc/...", "modules/raster/...", "modules/redact/...", "modules/servertest/...",
	"modules/show/...", "modules/threejs/...", "modules/tool/...", "modules/warm/...", "modules/workspace/...",
}

// contract is what everybody above modules may know of them.
var contract = append([]string{"modules"}, mechanisms...)

// An arrow is an import that we don't want. Patterns are folders of this module; "x/..." is x and all below it.
type arrow struct {
	from, except []string // packages that must not import, and those of them that may
	to, allow    []string // what they must not import, and what of it they may
	tests        bool     // holds for test files as well
	why          string
}

var arrows = []arrow{
	{
		from: []string{"modules/..."}, to: []string{"pipelines/...", "worker/...", "keda/...", "cmd/..."}, tests: true,
		why: "a module knows nothing of pipelines, queues or Kubernetes: a Call and a temporary folder are enough to test it",
	},
	{
		from: []string{"pipelines/..."}, to: []string{"worker/...", "keda/...", "cmd/..."}, tests: true,
		why: "a pipeline runs alike under run, in a child and in a test: it knows no queue",
	},
	{
		from: []string{"worker/..."}, to: []string{"keda/...", "cmd/..."}, tests: true,
		why: "the worker knows nothing of KEDA, and cmd alone builds concrete things",
	},
	{
		from: []string{"keda/..."}, to: []string{"cmd/..."}, tests: true,
		why: "cmd alone builds concrete things and hands them down",
	},
	{
		from: []string{"deploy/..."}, to: []string{"cmd/...", "keda/...", "worker/...", "pipelines/...", "modules/..."},
		why: "deploy holds manifests and tools, no part of the product",
	},
	{
		from: mechanisms, to: []string{"modules/..."}, allow: mechanisms,
		why: "a mechanism stands below the module contract: what it needs of a module is handed to it",
	},
	{
		from:   []string{"modules/..."},
		except: append([]string{"modules/standard", "modules/callbacks/...", "modules/moduletest"}, contract...),
		to:     []string{"modules/..."}, allow: append([]string{
			"modules/fbx",      // what FBX2glTF and AssetConverter share
			"modules/film",     // what FFmpeg and Renderer share
			"modules/portrait", // what ScreenshotGenerator and Renderer share
			"modules/transfer", // what S3, COS and CloudStorage share
		}, contract...),
		why: "a module is one folder and one line in standard: it can be read, moved and deleted alone",
	},
	{
		from: []string{"pipelines/...", "worker/...", "keda/..."}, to: []string{"modules/..."}, allow: contract,
		why: "which modules there are is decided in cmd, which hands a registry down",
	},
	{
		from: []string{"pipelines/nunjucks/..."}, to: []string{"pipelines/...", "modules/..."},
		allow: []string{"pipelines/nunjucks/..."},
		why:   "the template language is text → text and expression → value: it stands alone",
	},
	{
		from: []string{"pipelines/..."}, to: []string{"pipelines"},
		except: []string{
			"pipelines",
			"pipelines/engine/...", // runs the document
			"pipelines/graph",      // draws it
			"pipelines/lint",       // says what is wrong with it
			"pipelines/preview",    // shows what its tasks would be told
			"pipelines/schema",     // offers what it may hold
			"pipelines/settings",   // reads their files as it does
			"pipelines/trial",      // runs its tests as a worker would
		},
		why: "a leaf that reads documents stands below the document; only what does something with a parsed one stands above",
	},
	{
		from: []string{"worker/..."}, except: []string{"worker"}, to: []string{"worker"},
		why: "a leaf never imports its parent: the worker is put together from its leaves",
	},
	{
		from: []string{"..."}, except: []string{"cmd/..."},
		to: []string{
			"worker/queue/localqueue", "worker/queue/sqsqueue", "worker/queue/cosqueue",
			"modules/blob/dirblob", "modules/blob/s3blob", "modules/blob/cosblob", "modules/blob/gcsblob",
		},
		why: "a driver is chosen in cmd: everybody else speaks to worker/queue and modules/blob",
	},
}

// owners says who may import what is not ours. A package that is in no row may be imported by nobody: a new dependency
// needs a row, with a reason, and a sentence in its commit. Test files may import anything that go.mod has.
var owners = []struct {
	pkg string
	by  []string
	why string
}{
	{"github.com/spf13/cobra", []string{"cmd/..."}, "below the command line there are no flags"},
	{"gopkg.in/yaml.v3", []string{"pipelines", "modules/show", "modules/document", "modules/onnx"}, "pipelines/yaml.go and yaml_scalar.go alone read pipelines and modules/show alone writes YAML; documents are proved by reading them, and models are described by a file of it"},
	{"modernc.org/sqlite", []string{"worker/queue/localqueue"}, "SQLite is the local queue's alone; children never open it"},
	{"github.com/dlclark/regexp2", []string{"pipelines/nunjucks"}, "JavaScript's regular expressions are the template language's alone"},
	{"github.com/dop251/goja", []string{"modules/gltfcheck"}, "Khronos' validator is JavaScript, and runs without Node.js too; nothing else is"},
	{"github.com/landlock-lsm/go-landlock", []string{"worker/launch"}, "a child confines itself, in one place"},
	{"kernel.org/pub/linux/libs/security/libcap/psx", []string{"worker/launch"}, "a child drops its privileges on all its threads"},
	{"github.com/mattn/go-isatty", []string{"cmd/..."}, "below the command line nothing knows of terminals"},
	{"github.com/standard-webhooks/standard-webhooks", []string{"worker/callback", "cmd/..."}, "callbacks are signed in one place; the demo's receiver verifies them"},
	{"golang.org/x/sync", []string{"modules/cloud/sdk"}, "who asks for keys must not wait for a call that has no end"},
	{"golang.org/x/time/rate", []string{"worker/gateway/..."}, "what comes over HTTP has limits, by key and by source"},
	{"golang.org/x/sys", []string{"..."}, "the kernel's interface"},
	{"github.com/tetratelabs/wazero", []string{"modules/gltfpack"}, "WebAssembly is run in one place, with no system but the one it is given"},
	{"golang.org/x/net", nil, "tests alone: they hold documents against how a browser reads HTML"},
	{"golang.org/x/text/unicode/norm", []string{"modules/unzip", "worker/gateway"}, "names that differ in how Unicode spells them are one name to some filesystems"},
	{"github.com/klauspost/compress/flate", []string{"modules/zip", "modules/unzip"}, "Deflate at twice the speed of Go's own, and with a dictionary, so that parts of a file are packed at once"},
	{"golang.org/x/image", []string{"modules/...", "pipelines/report"}, "pictures are made by modules, and made small for the report"},
	{"github.com/flosch/pongo2/v6", []string{"modules/document"}, "its settings are package-wide, so one package owns them"},
	{"github.com/NVIDIA/go-nvml", []string{"modules/gpu"}, "it needs cgo and a driver; the rest asks a Pool"},
	{"github.com/aws/aws-sdk-go-v2", []string{"modules/cloud/sdk", "modules/sqs", "worker/queue/sqsqueue", "modules/blob/s3blob"}, "SDK types stay inside their drivers"},
	{"github.com/aws/smithy-go", []string{"modules/cloud/sdk", "worker/queue/sqsqueue", "modules/blob/s3blob"}, "SDK types stay inside their drivers"},
	{"github.com/IBM/ibm-cos-sdk-go", []string{"modules/cloud/sdk", "worker/queue/cosqueue", "modules/blob/cosblob"}, "SDK types stay inside their drivers"},
	{"github.com/twmb/franz-go", []string{"modules/kafka"}, "one module speaks to Kafka"},
	{"github.com/oklog/ulid/v2", []string{"worker/queue/cosqueue"}, "names of messages that sort by time"},
	{"github.com/Shopify/toxiproxy/v2", nil, "tests alone: faults on the wire"},
	{"github.com/grafana/grafana-foundation-sdk", nil, "tests alone: Grafana's own types, which the dashboard is held against"},
	{"github.com/johannesboyne/gofakes3", nil, "tests alone: S3 in the test's own process"},
	{"cloud.google.com/go/storage", []string{"modules/blob/gcsblob"}, "SDK types stay inside their drivers"},
	{"github.com/prometheus/client_golang", []string{"worker/metrics", "keda"}, "a worker counts in one place, and the scaler in its own"},
	{"google.golang.org/api", []string{"modules/cloud/sdk", "modules/blob/gcsblob"}, "SDK types stay inside their drivers"},
	{"github.com/fsouza/fake-gcs-server", nil, "tests alone: Google Cloud Storage in the test's own process"},
	{"golang.org/x/oauth2", []string{"modules/cloud/sdk", "modules/blob/gcsblob"}, "where Google keeps credentials is asked in one place, and its driver takes their tokens"},
	{"google.golang.org/grpc", []string{"keda/...", "cmd/..."}, "KEDA is answered by gRPC, and nobody else"},
	{"google.golang.org/protobuf", []string{"keda/externalscaler", "deploy/tools/protoc"}, "what KEDA is answered with is generated code"},
	{"github.com/bufbuild/protocompile", []string{"deploy/tools/protoc"}, "it reads what KEDA is answered with, when code is generated"},
	{"k8s.io/client-go/kubernetes", nil, "the typed client costs 6 ms of every start: use metadata or dynamic"},
	{"k8s.io", []string{"worker/launch/kubernetes", "keda/..."}, "Kubernetes is one way to launch, not a dependency of the worker"},
}

// A source is one Go file of ours.
type source struct {
	name string // from the repository's root, with slashes
	test bool   // a test file, or of a package that only tests import (queuetest, moduletest)
	file *ast.File
	fset *token.FileSet
	size int // lines
}

func (s source) folder() string { return path.Dir(s.name) }

func (s source) at(p token.Pos) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(p).Line)
}

// sources is every Go file of the tree, whatever its build tags.
var sources = sync.OnceValues(func() ([]source, error) {
	var all []source
	fset := token.NewFileSet()
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		test := strings.HasSuffix(name, "_test.go") || strings.HasSuffix(path.Dir(name), "test")
		all = append(all, source{name, test, file, fset, strings.Count(string(text), "\n")})
		return nil
	})
	return all, err
})

// within says whether folder is in one of the patterns.
func within(folder string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		tree, isTree := strings.CutSuffix(p, "...")
		tree = strings.TrimSuffix(tree, "/")
		return folder == tree || isTree && (tree == "" || strings.HasPrefix(folder, tree+"/"))
	})
}

// forbidden says why a file in folder from may not import the package imported; "" where it may.
func forbidden(from, imported string, test bool) string {
	if to, ours := strings.CutPrefix(imported, modulePath+"/"); ours {
		for _, a := range arrows {
			if within(from, a.from) && !within(from, a.except) && within(to, a.to) && !within(to, a.allow) && (a.tests || !test) {
				return a.why
			}
		}
		if !test && strings.HasSuffix(to, "test") {
			return "it is for tests"
		}
		return ""
	}
	if test {
		return ""
	}
	if imported == "testing" {
		return "it is for tests"
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return "" // standard library
	}
	for _, o := range owners {
		if imported != o.pkg && !strings.HasPrefix(imported, o.pkg+"/") {
			continue
		}
		if within(from, o.by) {
			return ""
		}
		return o.why
	}
	return "a new dependency needs a row in owners (cmd/millrace/deps_test.go) with a reason"
}

func TestImportsFollowTheArrows(t *testing.T) {
	all, err := sources()
	require.NoError(t, err)
	for _, s := range all {
		for _, imp := range s.file.Imports {
			imported, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			if why := forbidden(s.folder(), imported, s.test); why != "" {
				t.Errorf("%s: must not import %s: %s", s.at(imp.Pos()), imported, why)
			}
		}
	}
}

func TestArrowsThatAreForbidden(t *testing.T) {
	ours := func(folder string) string { return modulePath + "/" + folder }
	for _, tt := range []struct {
		name, from, imported string
		test, allowed        bool
	}{
		{"a module may use the contract", "modules/shell", ours("modules"), false, true},
		{"a module may use a mechanism", "modules/shell", ours("modules/proc"), false, true},
		{"a module may not use another module", "modules/shell", ours("modules/debug"), false, false},
		{"a module may not know the queue, in its tests either", "modules/shell", ours("worker/queue"), true, false},
		{"a mechanism may not know the contract", "modules/proc", ours("modules"), false, false},
		{"the list knows every module", "modules/standard", ours("modules/shell"), false, true},
		{"the worker does not choose modules", "worker/launch", ours("modules/standard"), false, false},
		{"a test of the worker may choose modules", "worker/launch", ours("modules/standard"), true, true},
		{"a leaf of the worker may not know the worker", "worker/launch", ours("worker"), false, false},
		{"the engine may know the document", "pipelines/engine", ours("pipelines"), false, true},
		{"lint may know the document", "pipelines/lint", ours("pipelines"), false, true},
		{"the template language may not know it", "pipelines/nunjucks", ours("pipelines"), false, false},
		{"a pipeline may not know the worker", "pipelines/engine", ours("worker/job"), false, false},
		{"cmd chooses a driver", "cmd/millrace", ours("worker/queue/localqueue"), false, true},
		{"the worker does not", "worker", ours("worker/queue/localqueue"), false, false},
		{"the record does not choose a store", "worker/record", ours("modules/blob/dirblob"), false, false},
		{"the local queue opens SQLite", "worker/queue/localqueue", "modernc.org/sqlite", false, true},
		{"nobody else opens SQLite", "worker/record", "modernc.org/sqlite", false, false},
		{"the typed Kubernetes client is nobody's", "keda", "k8s.io/client-go/kubernetes", false, false},
		{"an unknown dependency is nobody's", "cmd/millrace", "example.com/left-pad", false, false},
		{"the standard library is everybody's", "modules/fault", "net/http", false, true},
		{"testing is for tests", "worker", "testing", false, false},
		{"a conformance suite is for tests", "worker", ours("worker/queue/queuetest"), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			why := forbidden(tt.from, tt.imported, tt.test)
			require.Equal(t, tt.allowed, why == "", why)
		})
	}
}

// Whoever imports the contract, which is every module, links all that it links: of what is not ours, as little as it needs.
func TestTheContractLinksNoSDKOfAnyCloud(t *testing.T) {
	linked := links(t, "modules")
	require.Contains(t, linked, "golang.org/x/sys/unix", "the walk goes down to what mechanisms import")
	for pkg := range linked {
		for _, sdk := range []string{"github.com/aws/", "github.com/IBM/", "cloud.google.com/", "google.golang.org/", "golang.org/x/oauth2"} {
			if strings.HasPrefix(pkg, sdk) {
				t.Errorf("modules links %s, by way of %s: the contract needs types of ours alone (modules/cloud)", pkg, linked[pkg])
			}
		}
	}
}

// links is every package that a folder's product code imports, itself or by packages of ours, and which folder does.
func links(t *testing.T, folder string) map[string]string {
	t.Helper()
	all, err := sources()
	require.NoError(t, err)
	by := map[string]string{}
	todo := []string{folder}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		for _, s := range all {
			if s.test || s.folder() != at {
				continue
			}
			for _, imp := range s.file.Imports {
				imported, err := strconv.Unquote(imp.Path.Value)
				require.NoError(t, err)
				if _, seen := by[imported]; seen {
					continue
				}
				by[imported] = at
				if ours, ok := strings.CutPrefix(imported, modulePath+"/"); ok {
					todo = append(todo, ours)
				}
			}
		}
	}
	return by
}
