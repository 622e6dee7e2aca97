//go:build e2e && linux

// Package e2e_test runs the image in a real cluster on this machine: `make e2e`.
package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Longest waits. Building the cluster takes minutes where nothing is cached, all else seconds.
const (
	buildTime = 40 * time.Minute
	upTime    = 5 * time.Minute
	downTime  = 3 * time.Minute
	podTime   = 90 * time.Second
)

// class is the image under test: light, or what MILLRACE_E2E_CLASS says.
func class() string {
	return cmp.Or(os.Getenv("MILLRACE_E2E_CLASS"), "light")
}

// image is what is built of it, or the one that MILLRACE_E2E_IMAGE names, which buildah has already.
func image() string {
	return cmp.Or(os.Getenv("MILLRACE_E2E_IMAGE"), "localhost/millrace-"+class()+":latest")
}

// Whatever becomes of the tests, and when they are interrupted, the cluster goes down that they started.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := 1
	if err := flag.Set("test.parallel", "6"); err != nil { // they wait more than they compute
		fmt.Fprintln(os.Stderr, err)
		os.Exit(code)
	}
	ours, err := start(ctx)
	if err == nil {
		done := make(chan int, 1)
		go func() { done <- m.Run() }()
		select {
		case code = <-done:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
	if ours {
		if _, err := command(context.WithoutCancel(ctx), downTime, "./cluster", "down"); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: take the cluster down:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// start builds image and cluster, what of them is not there yet, and gives the image to the node. ours says that the cluster,
// or what there is of it, is to be taken down.
func start(ctx context.Context) (ours bool, err error) {
	if os.Getuid() != 0 {
		return false, fmt.Errorf("the cluster's node needs root: run `make e2e` as root, on a machine that is yours to try things on")
	}
	archive, err := os.MkdirTemp("", "millrace-e2e-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(archive)
	tar := filepath.Join(archive, "image.tar")
	for _, step := range []struct {
		limit time.Duration
		argv  []string
	}{
		{buildTime, []string{"./cluster", "build"}},
		{buildTime, []string{"../image/build", class()}},
		{upTime, []string{"buildah", "push", "--quiet", image(), "docker-archive:" + tar + ":" + image()}},
		{upTime, []string{"./cluster", "up"}},
		{upTime, []string{"./cluster", "load", tar}},
	} {
		if step.argv[0] == "../image/build" && os.Getenv("MILLRACE_E2E_IMAGE") != "" {
			continue
		}
		_, err := command(ctx, step.limit, step.argv...)
		if step.argv[1] == "up" {
			exit, ok := errors.AsType[*exec.ExitError](err)
			ours = !ok || exit.ExitCode() != upAlready
		}
		if err != nil {
			return ours, err
		}
	}
	return ours, nil
}

// command runs a program and returns what it wrote to stdout; what it wrote to stderr is part of the error.
func command(ctx context.Context, limit time.Duration, argv ...string) (string, error) {
	return commandWith(ctx, limit, nil, argv...)
}

func commandWith(ctx context.Context, limit time.Duration, stdin []byte, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// In a group of its own, so that Ctrl-C does not end what takes the cluster down.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(last(stderr.String(), 2000)))
	}
	return stdout.String(), nil
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }

// kubectl runs kubectl as the cluster's administrator.
func kubectl(t *testing.T, stdin []byte, args ...string) (string, error) {
	t.Helper()
	config, err := command(t.Context(), time.Minute, "./cluster", "kubeconfig")
	require.NoError(t, err)
	argv := append([]string{"kubectl", "--kubeconfig", strings.TrimSpace(config)}, args...)
	return commandWith(t.Context(), podTime, stdin, argv...)
}

func mustKubectl(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	out, err := kubectl(t, stdin, args...)
	require.NoError(t, err)
	return out
}

// afterwards is kubectl for clean-ups, when the test's own context is over.
func afterwards(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	config, err := command(ctx, time.Minute, "./cluster", "kubeconfig")
	if err != nil {
		return "", err
	}
	return command(ctx, podTime, append([]string{"kubectl", "--kubeconfig", strings.TrimSpace(config)}, args...)...)
}

// object is one of Kubernetes', as JSON.
type object = map[string]any

// A pod is our image with a command, and files at /jobs.
type pod struct {
	name  string
	argv  []string
	files map[string]string
}

// start creates the pod as OpenShift's restricted-v2 would: a UID of the namespace's range that no passwd knows, group 0, a
// root that can't be written, no capability, the runtime's seccomp profile. The figures are those of light workers.
func (p pod) start(t *testing.T) {
	t.Helper()
	list := object{"apiVersion": "v1", "kind": "List", "items": []object{
		{"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": p.name}, "data": p.files},
		{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": p.name}, "spec": p.spec()},
	}}
	text, err := json.Marshal(list)
	require.NoError(t, err)
	mustKubectl(t, text, "apply", "--validate=strict", "-f", "-")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(afterwards(t, "describe", "pod", p.name))
		}
	})
}

func (p pod) spec() object {
	return object{
		"restartPolicy": "Never", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 30,
		"securityContext": object{
			"runAsUser": 1000680000, "runAsGroup": 0, "runAsNonRoot": true, "seccompProfile": object{"type": "RuntimeDefault"},
		},
		"containers": []object{{
			"name": "millrace", "image": image(), "imagePullPolicy": "Never", "command": p.argv,
			"securityContext": object{
				"readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false, "capabilities": object{"drop": []string{"ALL"}},
			},
			"resources": object{
				"requests": object{"cpu": "250m", "memory": "512Mi"}, "limits": object{"cpu": "1", "memory": "2Gi"},
			},
			"volumeMounts": []object{
				{"name": "workspace", "mountPath": "/home/workspace"},
				{"name": "tmp", "mountPath": "/tmp"},
				{"name": "tmp", "mountPath": "/home/millrace", "subPath": "home"},
				{"name": "jobs", "mountPath": "/jobs"},
			},
		}},
		"volumes": []object{
			{"name": "workspace", "emptyDir": object{"sizeLimit": "5Gi"}},
			{"name": "tmp", "emptyDir": object{"medium": "Memory", "sizeLimit": "64Mi"}},
			{"name": "jobs", "configMap": object{"name": p.name}},
		},
	}
}

// running waits until the pod's program runs.
func (p pod) running(t *testing.T) {
	t.Helper()
	mustKubectl(t, nil, "wait", "pod/"+p.name, "--for=jsonpath={.status.phase}=Running", "--timeout=60s")
}

// end waits until the pod's program has ended, and returns its exit status and what it wrote.
func (p pod) end(t *testing.T) (code, log string) {
	t.Helper()
	const terminated = "{.status.containerStatuses[0].state.terminated"
	mustKubectl(t, nil, "wait", "pod/"+p.name, "--for=jsonpath="+terminated+"}", "--timeout=80s")
	code = mustKubectl(t, nil, "get", "pod", p.name, "-o", "jsonpath="+terminated+".exitCode}")
	return code, mustKubectl(t, nil, "logs", p.name)
}

// inside runs a command in the pod.
func (p pod) inside(t *testing.T, argv ...string) string {
	t.Helper()
	return mustKubectl(t, nil, append([]string{"exec", p.name, "--"}, argv...)...)
}
