//go:build linux

package main_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// meaningful is text that means something to YAML, or to the templates, wherever it stands.
var meaningful = []string{
	"x\n  replicas: 5", "x: y", "- x", "{{ image }}", "{% if x %}", "x # y", `"`, "'", "null", "yes", "0x1f", "1e3", "2001-01-01", "!!binary x", "&a", "*a", "|", "x\u2028y", "\ufeffx", "\u0085",
}

// What a flag says is one string, wherever it stands and whatever it means to YAML.
func TestNoValueBreaksOutOfWhatGenWrites(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, text := range meaningful {
		value := func(manifest string, path ...string) any {
			t.Helper()
			var found any
			for part := range strings.SplitSeq(manifest, "\n---\n") {
				var o map[string]any
				require.NoError(t, yaml.Unmarshal([]byte(part), &o), "%q:\n%s", text, part)
				if o["kind"] == path[0] {
					found = o
				}
			}
			for _, key := range path[1:] {
				if list, ok := found.([]any); ok {
					found = list[0]
				}
				found = found.(map[string]any)[key]
			}
			return found
		}
		deploy := p.succeeds("gen", "deploy", "--image", "i", "--queue", "https://h/1/"+text, "--set", "store=s3://b/"+text, "--set", "callback-url="+text)
		require.Equal(t, text, value(deploy, "ConfigMap", "data", "MILLRACE_CALLBACK_URL"))
		require.Equal(t, "s3://b/"+text, value(deploy, "ConfigMap", "data", "MILLRACE_STORE"))
		require.Equal(t, "https://h/1/"+text, value(deploy, "Deployment", "spec", "template", "spec", "containers", "env").([]any)[0].(map[string]any)["value"])
		require.NotContains(t, value(deploy, "Deployment", "spec"), "replicas")
		keda := p.succeeds("gen", "keda", "--scaler", text, "--scaler-queue", text, "--scaler-tls", "tls")
		require.Equal(t, text, value(keda, "ScaledObject", "spec", "triggers", "metadata", "scalerAddress"))
		require.Equal(t, text, value(keda, "ScaledObject", "spec", "triggers", "metadata", "queue"))
		region := p.succeeds("gen", "keda", "--trigger", "aws-sqs-queue", "--queue", "https://h/1/q", "--region", text)
		require.Equal(t, text, value(region, "ScaledObject", "spec", "triggers", "metadata", "awsRegion"))
	}
}

func TestAChangeOfItsSettingsRollsWhatGenWrote(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, args := range [][]string{{"deploy", "--queue", "sqs:jobs", "--set", "store=s3://b/p"}, {"scaler", "--queue", "light=sqs:jobs", "--set", "region=eu-west-3"}} {
		gen := func(more ...string) (string, bool) {
			text := p.succeeds(slices.Concat([]string{"gen", args[0], "--image", "i"}, args[1:], more)...)
			mark := regexp.MustCompile(`(?m)^        millrace/settings: .+$`).FindString(text)
			return mark, mark != ""
		}
		first, ok := gen()
		require.True(t, ok)
		again, _ := gen()
		require.Equal(t, first, again)
		other, _ := gen("--set", "region=eu-west-1")
		require.NotEqual(t, first, other)
	}
}

// KEDA is in another namespace, so the address of our scaler must have its: where nobody says which, it is guessed.
func TestGenKEDASaysWhichNamespaceItGuessed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for text, guessed := range map[string]bool{"": true, "--namespace=media": false, "--scaler=a:9090": false, "--trigger=aws-sqs-queue": false} {
		args := []string{"gen", "keda", "--queue", "arn:aws:sqs:r:1:q"}
		if text != "" {
			args = append(args, text)
		}
		r := p.millrace(args...)
		require.Equal(t, 0, r.code, r.stderr)
		require.Equal(t, guessed, strings.Contains(r.stderr, "KEDA will look for the scaler in the namespace millrace"), text)
	}
}

// Where a class has a queue by flag, those of the others are a setting like any.
func TestGenDeploySendsJobsOfOtherClassesOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	text := p.succeeds("gen", "deploy", "--image", "i", "--queue", "sqs:jobs", "--set", "store=s3://b/p", "--set", "class-queues=gpu=sqs:jobs-gpu")
	require.Contains(t, text, `MILLRACE_CLASS_QUEUES: "gpu=sqs:jobs-gpu"`)
	r := p.millrace("gen", "deploy", "--image", "i", "--set", "class-queues=gpu=sqs:jobs-gpu")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "the ConfigMap millrace-queues")
}
