//go:build e2e && linux

package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What knows kustomize, Helm and the types is a module of its own: its tests are run here, where there is an API server.
func TestNobodyRefusesTheManifests(t *testing.T) {
	t.Parallel()
	millrace := filepath.Join(t.TempDir(), "millrace")
	_, err := command(t.Context(), buildTime, "go", "build", "-trimpath", "-buildvcs=false", "-tags=disable_grpc_modules", "-o", millrace, "../../cmd/millrace")
	require.NoError(t, err)
	config, err := command(t.Context(), time.Minute, "./cluster", "kubeconfig")
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, namespace := range []string{"millrace", "millrace-dev"} {
			_, err := command(context.WithoutCancel(t.Context()), podTime, "kubectl", "--kubeconfig", strings.TrimSpace(config), "delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
			require.NoError(t, err)
		}
	})
	cmd := exec.CommandContext(t.Context(), "go", "test", "-C", "../manifests", "-tags", "e2e", "-count=1", "-v", "-timeout=10m", "-run", "TestTheAPIServer|TestKubectl", ".")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+strings.TrimSpace(config), "MILLRACE="+millrace)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, last(string(out), 4000))
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	for lines.Scan() {
		for _, mark := range []string{"MUST HOLD: ", "figure: "} {
			if _, text, ok := strings.Cut(lines.Text(), mark); ok {
				fmt.Println(mark + text)
			}
		}
	}
}
