//go:build linux

package main_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// A manifest is what Kubernetes would read of ours; what is not here is unknown.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
	}
	Data map[string]string
	Spec struct {
		BackoffLimit            int `yaml:"backoffLimit"`
		TTLSecondsAfterFinished int `yaml:"ttlSecondsAfterFinished"`
		ActiveDeadlineSeconds   int `yaml:"activeDeadlineSeconds"`
		Template                struct {
			Metadata struct{ Labels map[string]string }
			Spec     podSpec
		}
	}
}

type podSpec struct {
	RestartPolicy                 string            `yaml:"restartPolicy"`
	ServiceAccountName            string            `yaml:"serviceAccountName"`
	AutomountServiceAccountToken  bool              `yaml:"automountServiceAccountToken"`
	TerminationGracePeriodSeconds int               `yaml:"terminationGracePeriodSeconds"`
	SecurityContext               map[string]any    `yaml:"securityContext"`
	NodeSelector                  map[string]string `yaml:"nodeSelector"`
	Tolerations                   []map[string]string
	ImagePullSecrets              []map[string]string `yaml:"imagePullSecrets"`
	Containers                    []struct {
		Name, Image     string
		Command, Args   []string
		WorkingDir      string `yaml:"workingDir"`
		Resources       struct{ Requests, Limits map[string]string }
		Env             []map[string]any
		SecurityContext map[string]any `yaml:"securityContext"`
		VolumeMounts    []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			SubPath   string `yaml:"subPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	Volumes []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		EmptyDir  struct {
			SizeLimit string `yaml:"sizeLimit"`
		} `yaml:"emptyDir"`
	}
}

// manifests reads what gen wrote, strictly.
func manifests(t *testing.T, text string) []manifest {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	var all []manifest
	for {
		var m manifest
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err, text)
		all = append(all, m)
	}
}

const rendering = "name: GPU-Accelerated Rendering\ntasks:\n  - module: ScreenshotGenerator\n    props: {src: a.glb, dest: a.png, config: {use_gpu: true}}\n"

func TestAPipelineBecomesAJobAndItsConfigMap(t *testing.T) {
	p := newPlace(t)
	p.write("r.yaml", rendering)
	all := manifests(t, p.succeeds("gen", "job", "r.yaml", "--image", "reg/m:1", "--namespace", "media", "--pull-secret", "reg", "--state", "a=$(AWS_SECRET_ACCESS_KEY)", "b=x: {{ y }}"))
	require.Len(t, all, 2)
	config, job := all[0], all[1]
	require.Equal(t, "modelops-pipeline-gpu-accelerated-rendering", config.Metadata.Name)
	require.Equal(t, rendering, config.Data["pipeline.yaml"])
	require.Equal(t, "media", config.Metadata.Namespace)

	require.Equal(t, "batch/v1 Job", job.APIVersion+" "+job.Kind)
	require.Equal(t, []int{3, 3600}, []int{job.Spec.BackoffLimit, job.Spec.TTLSecondsAfterFinished})
	require.Equal(t, "gpu-accelerated-rendering", job.Metadata.Labels["pipeline"])
	pod := job.Spec.Template.Spec
	require.Equal(t, "Never", pod.RestartPolicy)
	require.Equal(t, []map[string]string{{"name": "reg"}}, pod.ImagePullSecrets)
	c := pod.Containers[0]
	require.Equal(t, []string{"run", "-f", "/workspace/pipeline.yaml", "--", "a=$$(AWS_SECRET_ACCESS_KEY)", "b=x: {{ y }}"}, c.Args)
	require.Equal(t, map[string]string{"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"}, c.Resources.Requests)
	require.Equal(t, map[string]string{"cpu": "16", "memory": "32Gi", "nvidia.com/gpu": "1"}, c.Resources.Limits)
	require.Equal(t, "/workspace/pipeline.yaml", c.VolumeMounts[0].MountPath)
	require.Equal(t, "pipeline.yaml", c.VolumeMounts[0].SubPath)
	require.Equal(t, config.Metadata.Name, pod.Volumes[0].ConfigMap.Name)
	require.Equal(t, "20Gi", pod.Volumes[1].EmptyDir.SizeLimit)

	light := manifests(t, p.succeeds("gen", "job", "hello_world", "--image", "m", "--class", "light"))[1].Spec.Template.Spec
	require.Empty(t, light.NodeSelector)
	require.Equal(t, map[string]string{"cpu": "1", "memory": "2Gi"}, light.Containers[0].Resources.Limits)
}

func TestAConfigMapHoldsThePipelineByteForByte(t *testing.T) {
	p := newPlace(t)
	for _, doc := range []string{
		"tasks: []", "tasks: []\n\n\n", "\r\ntasks: []\r\n", "  \ntasks: []\n", "# {{ x }} {% y %}\ntasks: []\n", "\ttasks: []\n"[1:], "---\ntasks: []\n...\n", "tasks:\n\n\n  []\n",
	} {
		p.write("p.yaml", doc)
		require.Equal(t, doc, manifests(t, p.succeeds("gen", "configmap", "p.yaml"))[0].Data["p.yaml"])
	}
}

func TestHostileNamesBreakOutOfNoManifest(t *testing.T) {
	p := newPlace(t)
	name := regexp.MustCompile(`^modelops-pipeline-[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	for _, evil := range []string{"x\nkind: Evil", "x\"\n  evil: 1", "Ünïcode name", strings.Repeat("long-", 40), "a: {b}", "#x", "--- x", "{{ image }}"} {
		var doc bytes.Buffer
		require.NoError(t, yaml.NewEncoder(&doc).Encode(map[string]any{"name": evil, "tasks": []any{}}))
		p.write("p.yaml", doc.String())
		all := manifests(t, p.succeeds("gen", "job", "p.yaml", "--image", "m:1", "--state", "v="+evil))
		require.Len(t, all, 2)
		require.Regexp(t, name, all[1].Metadata.Name)
		require.LessOrEqual(t, len(all[1].Metadata.Name), 63-len("-abcde"))
		require.Equal(t, evil, all[1].Metadata.Annotations["millrace/pipeline"])
		require.Equal(t, "v="+evil, all[1].Spec.Template.Spec.Containers[0].Args[4])
	}
}

func TestATemplateOfOnesOwnMayNameWhatIsKnown(t *testing.T) {
	p := newPlace(t)
	p.write("r.yaml", rendering)
	p.write("job.yaml", "kind: Job\nmetadata:\n  name: modelops-pipeline-{{ pipeline-id }}\n  labels: {pipeline: {{ pipeline-name }}}\n")
	require.Equal(t, "kind: Job\nmetadata:\n  name: modelops-pipeline-gpu-accelerated-rendering\n  labels: {pipeline: \"GPU-Accelerated Rendering\"}\n",
		p.succeeds("gen", "job", "r.yaml", "--template", "job.yaml"))
	p.write("bad.yaml", "kind: Job\nname: {{ pipeline-nmae }}\n")
	r := p.millrace("gen", "job", "r.yaml", "--template", "bad.yaml")
	require.NotZero(t, r.code)
	require.Contains(t, r.stderr, "bad.yaml:2: pipeline-nmae: there is no value")
	require.Empty(t, r.stdout)
}

func TestGenSaysWhatIsMissingOrWrong(t *testing.T) {
	p := newPlace(t)
	p.write("p.yaml", "name: \"…\"\ntasks: []\n")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no image", []string{"job", "hello_world"}, "--image registry/millrace:1.0"},
		{"a class that is none", []string{"job", "hello_world", "--image", "m", "--class", "huge"}, `--class: "huge" is none of gpu, heavy, light`},
		{"a namespace that is none", []string{"job", "hello_world", "--image", "m", "--namespace", "A\nb"}, "--namespace:"},
		{"a key that is none", []string{"configmap", "p.yaml", "--name", "p", "--key", "a/b"}, "--key:"},
		{"a key of the secret that is none", []string{"job", "hello_world", "--image", "m", "--aws-access-key-id", "a b"}, "--aws-access-key-id:"},
		{"a secret that is none", []string{"job", "hello_world", "--image", "m", "--aws-secret", "a..b"}, "--aws-secret:"},
		{"values of a ConfigMap", []string{"configmap", "hello_world", "a=b"}, "accepts 1 arg(s)"},
		{"a template without an end", []string{"job", "hello_world", "--image", "m", "--template", "/dev/zero"}, "64 KiB"},
		{"an account that is none", []string{"job", "hello_world", "--image", "m", "--service-account", "a b"}, "--service-account:"},
		{"a name without letters", []string{"configmap", "p.yaml"}, "give one with --name"},
		{"a state that is none", []string{"job", "hello_world", "nonsense", "--image", "m"}, "write key=value"},
		{"a file that is not there", []string{"job", "no.yaml"}, "there is no file no.yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := p.millrace(append([]string{"gen"}, tt.args...)...)
			require.NotZero(t, r.code)
			require.Contains(t, r.stderr, tt.want)
			require.NotContains(t, r.stderr, "goroutine")
		})
	}
}

func TestNoValueOfAJobIsAnOptionOfTheProgram(t *testing.T) {
	p := newPlace(t)
	p.write("leak.yaml", "tasks: [{module: StdOut, props: {msg: '{{ env.AWS_KEY }}|{{ state | dump }}'}}]\n")
	job := manifests(t, p.succeeds("gen", "job", "leak.yaml", "--image", "m", "--state=--allow-env=AWS_KEY", "--", "--workspace=/", "-f=x"))[1]
	given := job.Spec.Template.Spec.Containers[0].Args
	p.env = []string{"AWS_KEY=AKIAAKIA"}
	out := p.succeeds(append([]string{"run", "-f", "leak.yaml"}, given[3:]...)...)
	require.NotContains(t, out, "AKIAAKIA")
	require.Contains(t, out, "--allow-env")
}

func TestAJobThatCouldNeverRunIsNotWritten(t *testing.T) {
	p := newPlace(t)
	p.write("q.yaml", "params: {n: {type: integer, required: true}}\ntasks: [{module: StdOut, props: {msg: '{{ n }}'}}]\n")
	p.write("eco.yaml", "tasks:\n  - {module: Eco, props: {}}\n  - {module: StdOut, props: {mesage: x}}\n")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"job", "q.yaml", "--image", "i"}, `q.yaml:1:10: param "n" (integer) is required`},
		{[]string{"job", "q.yaml", "--image", "i", "n=abc"}, `param "n" must be a whole number`},
		{[]string{"job", "eco.yaml", "--image", "i"}, `module "Eco" is unknown`},
		{[]string{"configmap", "eco.yaml"}, `did you mean "message"?`},
	} {
		r := p.millrace(append([]string{"gen"}, tt.args...)...)
		require.Equal(t, 1, r.code, tt.args)
		require.Empty(t, r.stdout)
		require.Contains(t, r.stderr, tt.want)
	}
	p.succeeds("gen", "job", "q.yaml", "--image", "i", "n=3")
	p.succeeds("gen", "configmap", "q.yaml")
}

func TestAJobGetsTheGPUThatItsValuesAskFor(t *testing.T) {
	p := newPlace(t)
	pod := func(more ...string) podSpec {
		return manifests(t, p.succeeds(append([]string{"gen", "job", "gpu_rendering", "--image", "m"}, more...)...))[1].Spec.Template.Spec
	}
	require.Equal(t, "1", pod().Containers[0].Resources.Limits["nvidia.com/gpu"])
	require.Empty(t, pod("use_gpu=false").Containers[0].Resources.Limits["nvidia.com/gpu"])
	text, err := os.ReadFile("../../pipelines/gpu_rendering.yaml")
	require.NoError(t, err)
	p.write("gpu.yaml", string(text))
	require.Contains(t, p.succeeds("lint", "gpu.yaml"), "note: task \"Render\": needs a GPU")
	require.Contains(t, p.succeeds("graph", "gpu_rendering"), "<br/>GPU")
	require.NotContains(t, p.succeeds("graph", "gpu_rendering", "use_gpu=false"), "<br/>GPU")
}

func TestTheKeysOfS3ComeFromTheSecretThatIsNamed(t *testing.T) {
	p := newPlace(t)
	keys := func(more ...string) (all []string) {
		pod := manifests(t, p.succeeds(append([]string{"gen", "job", "hello_world", "--image", "m"}, more...)...))[1].Spec.Template.Spec
		for _, e := range pod.Containers[0].Env {
			ref := e["valueFrom"].(map[string]any)["secretKeyRef"].(map[string]any)
			require.NotContains(t, ref, "optional", "a pod without its keys must say so")
			all = append(all, e["name"].(string)+" "+ref["name"].(string)+" "+ref["key"].(string))
		}
		return all
	}
	require.Equal(t, []string{"AWS_ACCESS_KEY_ID aws-credentials access-key-id", "AWS_SECRET_ACCESS_KEY aws-credentials secret-access-key"}, keys())
	require.Equal(t, []string{"AWS_ACCESS_KEY_ID my.keys ID", "AWS_SECRET_ACCESS_KEY my.keys KEY"},
		keys("--aws-secret", "my.keys", "--aws-access-key-id", "ID", "--aws-secret-access-key", "KEY"))
	require.Empty(t, keys("--aws-secret", ""))
}

func TestAConfigMapIsACatalogue(t *testing.T) {
	p := newPlace(t)
	p.write("part.yaml", rendering)
	for _, tt := range []struct{ source, key, want string }{
		{"part.yaml", "", "part.yaml"}, {"hello_world", "", "hello_world.yaml"}, {"part.yaml", "chairs.yaml", "chairs.yaml"},
	} {
		require.Contains(t, manifests(t, p.succeeds("gen", "configmap", tt.source, "--key", tt.key))[0].Data, tt.want)
	}
	all := manifests(t, p.succeeds("gen", "job", "part.yaml", "--image", "m", "--key", "chairs.yaml", "--service-account", "my.sa", "--pull-secret", "a.b"))
	require.Contains(t, all[0].Data, "chairs.yaml")
	require.Equal(t, "chairs.yaml", all[1].Spec.Template.Spec.Containers[0].VolumeMounts[0].SubPath)
	require.Equal(t, "my.sa", all[1].Spec.Template.Spec.ServiceAccountName)
}

func TestASecretThatIsGivenAsAValueIsNoticed(t *testing.T) {
	p := newPlace(t)
	r := p.millrace("gen", "job", "hello_world", "--image", "m", "password=hunter2hunter2", "name=x")
	require.Equal(t, 0, r.code)
	require.Contains(t, r.stderr, "password looks like a secret")
	require.NotContains(t, r.stderr, "hunter2")
	require.NotContains(t, r.stderr, "name looks")
}

func TestRunWritesAReportForPeople(t *testing.T) {
	p := newPlace(t)
	p.write("p.yaml", "name: Chairs & more\ntasks:\n  - {name: Make, module: Shell, props: {command: sh, args: [-c, 'mkdir -p outputs; echo x > outputs/a.txt']}}\n  - {name: Break, module: Shell, props: {command: sh, args: [-c, 'exit 3']}}\n")
	require.Equal(t, 1, p.millrace("run", "p.yaml", "--report", "page.html").code)
	text, err := os.ReadFile(filepath.Join(p.dir, "page.html"))
	require.NoError(t, err)
	page := string(text)
	for _, want := range []string{"<h1>Chairs &amp; more</h1>", `pill failed`, `<a href="outputs/a.txt">`, "Why Break failed", "sh exited with code 3"} {
		require.Contains(t, page, want)
	}
}
