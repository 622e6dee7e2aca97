//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	millrace "github.com/millrace/millrace/cmd/millrace"
)

func TestTheKustomizeBaseIsWhatGenWrites(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, class := range []string{"light", "heavy", "gpu"} {
		written(t, "deploy/base/"+class+".yaml", p.succeeds("gen", "deploy", "--class", class, "--image", "millrace-"+class))
		auth, scaled, _ := strings.Cut(p.succeeds("gen", "keda", "--class", class, "--trigger", "aws-sqs-queue",
			"--queue", "https://sqs.eu-central-1.amazonaws.com/111122223333/jobs-"+class), "---\n")
		written(t, "deploy/components/sqs-trigger/auth.yaml", auth)
		written(t, "deploy/components/sqs-trigger/"+class+".yaml", scaled)
	}
	written(t, "deploy/base/scaler.yaml", p.succeeds("gen", "scaler", "--image", "millrace-light"))
	written(t, "deploy/components/gateway/gateway.yaml", p.succeeds("gen", "gateway", "--image", "millrace-light"))
}

// written holds a file against what gen writes, or writes it with -update.
func written(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(repository+file, []byte(want), 0o644))
	}
	have, err := os.ReadFile(repository + file)
	require.NoError(t, err)
	require.Equal(t, want, string(have), "`go test ./cmd/millrace -run TheKustomizeBase -update` writes %s anew", file)
}

func TestGenDeployWritesAClassWithItsQueueAndSettings(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	text := p.succeeds("gen", "deploy", "--class", "gpu", "--image", "registry/millrace-gpu:1.0", "--queue", "cos://bucket/gpu", "--namespace", "media",
		"--set", "store=cos://bucket/records", "--set", "cos-endpoint=https://s3.eu-de.cloud-object-storage.appdomain.cloud",
		"--set", "logger=json", "--gpus", "2", "--node-selector", "nvidia.com/gpu.product=NVIDIA-L4", "--labels", "gpu=l4", "--grace", "90m", "--slots", "2")
	for _, want := range []string{
		"value: \"cos://bucket/gpu\"", "MILLRACE_STORE: \"cos://bucket/records\"", "MILLRACE_PIPELINES: \"/etc/millrace/pipelines\"",
		"MILLRACE_LOGGER: json", "nvidia.com/gpu: 2", `nodeSelector: {"nvidia.com/gpu.product": "NVIDIA-L4"}`, `value: "class=gpu,gpu=l4"`, `value: "1h30m"`,
		"terminationGracePeriodSeconds: 5430", "scalerAddress: \"millrace-scaler.media.svc:9090\"", "name: millrace-gpu\n  namespace: media",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "millrace-queues")
	require.Equal(t, strings.Count(text, "\nkind: "), strings.Count(text, "  namespace: media\n"))
}

func TestGenKEDATakesTheRegionFromTheQueue(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	keda := func(args ...string) string {
		return p.succeeds(append([]string{"gen", "keda", "--trigger", "aws-sqs-queue", "--queue"}, args...)...)
	}
	text := keda("arn:aws:sqs:eu-west-3:111122223333:jobs", "--auth", "workload")
	require.Contains(t, text, `queueURL: "https://sqs.eu-west-3.amazonaws.com/111122223333/jobs"`)
	require.Contains(t, text, "awsRegion: eu-west-3")
	require.Contains(t, text, "identityOwner: workload")
	require.Contains(t, keda("http://127.0.0.1:4566/000000000000/jobs", "--region", "us-east-1"), "secretTargetRef")
	require.Contains(t, keda("arn:aws-cn:sqs:cn-north-1:111122223333:jobs"), "sqs.cn-north-1.amazonaws.com.cn/")
	require.NotContains(t, p.succeeds("gen", "keda", "--class", "heavy"), "TriggerAuthentication")
}

func TestWhatGenDeployCantWriteIsRefusedInOneSentence(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	deploy := []string{"deploy", "--image", "i", "--queue", "sqs:jobs", "--set", "store=s3://b/p"}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no image", []string{"deploy"}, "name the image"},
		{"an image with a line", []string{"deploy", "--image", "a\nb"}, "is no image"},
		{"a class that is none", []string{"keda", "--class", "huge"}, `--class: "huge" is none of gpu, heavy, light`},
		{"a trigger that is none", []string{"keda", "--trigger", "cron"}, "--trigger:"},
		{"a queue that KEDA can't ask", []string{"keda", "--trigger", "aws-sqs-queue", "--queue", "sqs:jobs"}, "give the queue's URL or ARN"},
		{"a region that can't be told", []string{"keda", "--trigger", "aws-sqs-queue", "--queue", "http://127.0.0.1:4566/000000000000/jobs"}, "--region:"},
		{"an owner that is none", []string{"keda", "--auth", "me"}, "--auth:"},
		{"keys from nowhere", []string{"keda", "--trigger", "aws-sqs-queue", "--aws-secret", "", "--queue", "arn:aws:sqs:r:1:q"}, "--aws-secret"},
		{"more messages than slots", []string{"keda", "--slots", "2", "--target", "5"}, "busy ones are ended"},
		{"no pods", []string{"keda", "--max", "0"}, "--max: must be at least 1"},
		{"a queue that is none", []string{"deploy", "--image", "i", "--queue", "jobs", "--set", "store=s3://b/p"}, "is no queue"},
		{"a store that goes with the pod", []string{"deploy", "--image", "i", "--queue", "sqs:jobs"}, "--set store=s3://bucket/prefix"},
		{"a store that is a folder of the pod", []string{"deploy", "--image", "i", "--queue", "sqs:jobs", "--set", "store=local"}, "--set store=s3://bucket/prefix"},
		{"a store that is none", []string{"deploy", "--image", "i", "--queue", "sqs:jobs", "--set", "store=folder:/x"}, "is no store"},
		{"a queue that is a file of the pod", []string{"deploy", "--image", "i", "--queue", "local", "--set", "store=s3://b/p"}, "the embedded queue would go with the pod"},
		{"two queues of one class", []string{"deploy", "--image", "i", "--queue", "sqs:a,sqs:b", "--set", "store=s3://b/p"}, "--queue: a class has one"},
		{"a queue in the store", []string{"deploy", "--image", "i", "--queue", "cos://b/p/q", "--set", "store=cos://b/p"}, "overlap"},
		{"a label that is none", append(deploy, "--labels", "gpu"), `--labels: "gpu" is no label`},
		{"a class of another", append(deploy, "--labels", "class=gpu"), "--labels: the class is --class's to say"},
		{"a node that can't be", append(deploy, "--node-selector", "role=a b"), "--node-selector:"},
		{"a node by no name", append(deploy, "--node-selector", "/role=a"), "--node-selector:"},
		{"a scaler of a file", []string{"scaler", "--image", "i", "--queue", "light=local"}, "the embedded queue is this machine's alone"},
		{"a queue twice", []string{"scaler", "--image", "i", "--queue", "light=sqs:a,light=sqs:b"}, "is named twice"},
		{"a setting that is none", append(deploy, "--set", "stor=x"), `there is no setting "stor"`},
		{"a setting that is a secret", append(deploy, "--set", "callback-secret=x"), "put MILLRACE_CALLBACK_SECRET into the Secret millrace"},
		{"a setting that is a flag here", append(deploy, "--set", "slots=3"), "--slots"},
		{"a setting of the wrong kind", append(deploy, "--set", "deadline=soon"), "is no duration"},
		{"a name that is none", append(deploy, "--pull-secret", "A B"), "--pull-secret:"},
		{"a namespace that is none", append(deploy, "--namespace", "a.b"), "--namespace:"},
		{"a node that is none", append(deploy, "--node-selector", "role"), "--node-selector:"},
		{"a setting of the worker's for the scaler", []string{"scaler", "--image", "i", "--set", "deadline=1h"}, `there is no setting "deadline"`},
		{"a port of the scaler's", []string{"scaler", "--image", "i", "--set", "listen=:1"}, "a port that is fixed"},
		{"a gateway for everybody", []string{"gateway", "--image", "i", "--keys-secret", ""}, "--keys-secret: without keys everybody"},
		{"no gateway", []string{"gateway", "--image", "i", "--replicas", "0"}, "--replicas: must be at least 1"},
		{"a gateway to a file", []string{"gateway", "--image", "i", "--queue", "light=local"}, "the embedded queue is this machine's alone"},
		{"a gateway whose uploads go with the pod", []string{"gateway", "--image", "i", "--queue", "light=sqs:jobs"}, "--set store=s3://bucket/prefix"},
		{"a setting of the worker's for the gateway", []string{"gateway", "--image", "i", "--set", "slots=1"}, `there is no setting "slots"`},
		{"keys as a setting", []string{"gateway", "--image", "i", "--set", "api-keys=/x"}, "--keys-secret"},
		{"queues without names", []string{"scaler", "--image", "i", "--queue", "sqs:jobs"}, "is not NAME=QUEUE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := p.millrace(append([]string{"gen"}, tt.args...)...)
			require.Equal(t, 2, r.code, r.stdout)
			require.Contains(t, r.stderr, tt.want)
		})
	}
}

func TestTheDocsListTheComponentsThatThereAre(t *testing.T) {
	t.Parallel()
	page := pageText(t, "docs/deploy.md")
	entries, err := os.ReadDir(repository + "deploy/components")
	require.NoError(t, err)
	for _, e := range entries {
		require.Contains(t, page, "`"+e.Name()+"`")
	}
}

// The commands of the page that need no cluster work as they stand there.
func TestWhatTheDeployPageHasGenWriteIsWritten(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	n := 0
	for _, b := range examples(t, "docs/deploy.md", "") {
		for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", " ")) {
			if words := strings.Fields(line); len(words) > 1 && words[0] == "millrace" && words[1] == "gen" {
				p.succeeds(words[1:]...)
				n++
			}
		}
	}
	require.Equal(t, 5, n)
}

// leftOut are the settings that no manifest makes: they are a place's own, and go into settings.env, the Secret millrace or
// --set; or they have no meaning in a pod.
func leftOut() []string {
	return []string{
		"MILLRACE_DATA", "MILLRACE_DEAD_QUEUE", "MILLRACE_COS_REGION", "MILLRACE_COS_INSTANCE_ID",
		"MILLRACE_COS_AUTH_ENDPOINT", "MILLRACE_COS_CREDENTIALS", "MILLRACE_ALLOW_HOSTS", "MILLRACE_DOCUMENTS", "MILLRACE_CALLBACK_SECRET",
		"MILLRACE_CALLBACK_TEMPLATE", "MILLRACE_CALLBACK_URL", "MILLRACE_PAYLOAD_BUCKETS", "MILLRACE_PAYLOAD_MAX",
		"MILLRACE_SEND_TO", "MILLRACE_BUCKET_OWNER", "MILLRACE_COS_BUCKET", "MILLRACE_GCS_ENDPOINT", "MILLRACE_GCS_PROJECT",
		"MILLRACE_DATA_PROFILE", "MILLRACE_DATA_ACCESS_KEY_ID", "MILLRACE_DATA_SECRET_ACCESS_KEY", "MILLRACE_DATA_SESSION_TOKEN",
		"MILLRACE_DATA_COS_ACCESS_KEY_ID", "MILLRACE_DATA_COS_SECRET_ACCESS_KEY", "MILLRACE_KAFKA_BROKERS", "MILLRACE_KAFKA_CLIENT_ID",
		"MILLRACE_KAFKA_TLS", "MILLRACE_KAFKA_MECHANISM", "MILLRACE_KAFKA_USERNAME", "MILLRACE_KAFKA_PASSWORD", "MILLRACE_TOOLS", "MILLRACE_MODELS",
		"MILLRACE_MAX_INPUT", "MILLRACE_TOOL_LIMITS", "MILLRACE_QUEUE_ORDER", "MILLRACE_ISOLATION", "MILLRACE_REUSE", "MILLRACE_INLINE",
		"MILLRACE_SHELL", "MILLRACE_MAX_ATTEMPTS", "MILLRACE_VISIBILITY", "MILLRACE_MIN_FREE", "MILLRACE_MAX_OUTPUT",
		"MILLRACE_JOB_MEMORY", "MILLRACE_CONFINE", "MILLRACE_READ_PATHS", "MILLRACE_ALLOW_ENV", "MILLRACE_REPORT", "MILLRACE_GPU",
		"MILLRACE_GPU_LOST", "MILLRACE_WAKE", "MILLRACE_WARM", "MILLRACE_NAME", "MILLRACE_KEEP_OUTPUTS", "MILLRACE_KEEP_UPLOADS", "MILLRACE_KEEP_RECORDS",
	}
}

// ofTheScaler are the settings of `millrace scaler` that its manifest makes.
func ofTheScaler() []string {
	return []string{"MILLRACE_LISTEN", "MILLRACE_STATUS", "MILLRACE_PODS", "MILLRACE_TLS_CERT", "MILLRACE_TLS_KEY"}
}

// ofTheGateway are the settings of `millrace gateway` that its manifests make.
func ofTheGateway() []string {
	return []string{"MILLRACE_LISTEN", "MILLRACE_STATUS", "MILLRACE_GRACE", "MILLRACE_API_KEYS", "MILLRACE_HOOKS", "MILLRACE_ROUTES"}
}

func TestEveryVariableOfAManifestIsASettingAndBack(t *testing.T) {
	t.Parallel()
	made := variablesOfManifests(t)
	known := millrace.WorkSettings()
	both := slices.Concat(millrace.ScalerSettings(), millrace.GatewaySettings(), known)
	for name, file := range made {
		require.Contains(t, both, name, "%s sets what the program does not know", file)
	}
	for _, name := range known {
		_, isMade := made[name]
		require.True(t, isMade || slices.Contains(leftOut(), name), "%s is in no manifest: set it, or say in leftOut why not", name)
		require.False(t, isMade && slices.Contains(leftOut(), name), "%s stands in %s, and in leftOut", name, made[name])
	}
	for _, name := range leftOut() {
		require.Contains(t, known, name, "leftOut names what is no setting")
	}
	for _, name := range ofTheScaler() {
		require.Contains(t, made, name)
		require.Contains(t, millrace.ScalerSettings(), name)
	}
	for _, name := range ofTheGateway() {
		require.Contains(t, made, name)
		require.Contains(t, millrace.GatewaySettings(), name)
	}
}

// variablesOfManifests are the MILLRACE_… that manifests set, each with a file that does.
func variablesOfManifests(t *testing.T) map[string]string {
	t.Helper()
	sets := regexp.MustCompile(`(?m)^[^#\n]*?\b(MILLRACE_[A-Z0-9_]+)\b`)
	made := map[string]string{}
	for _, dir := range []string{"base", "overlays", "components", "chart"} {
		err := filepath.WalkDir(repository+"deploy/"+dir, func(file string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(file)
			for _, m := range sets.FindAllSubmatch(text, -1) {
				made[string(m[1])] = strings.TrimPrefix(file, repository)
			}
			return err
		})
		require.NoError(t, err)
	}
	return made
}
