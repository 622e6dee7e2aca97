//go:build e2e && linux

package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A diagnosis is one line of `millrace doctor --json`.
type diagnosis struct{ Of, Check, Level, Text string }

// doctor is what `millrace doctor` says of the mill to its administrator, on this machine.
func (m *mill) doctor(program string) (found []diagnosis) {
	m.t.Helper()
	config, err := command(m.t.Context(), time.Minute, "./cluster", "kubeconfig")
	require.NoError(m.t, err)
	cmd := exec.CommandContext(m.t.Context(), program, "doctor", "--namespace", m.name, "--json")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+strings.TrimSpace(config))
	out, _ := cmd.Output() // it fails where it finds an error, and says so in what it writes
	require.NoError(m.t, json.Unmarshal(out, &found), "%s", out)
	return found
}

// errors are the texts of what is wrong.
func errorsOf(found []diagnosis) (texts []string) {
	for _, d := range found {
		if d.Level == "error" {
			texts = append(texts, d.Of+": "+d.Text)
		}
	}
	return texts
}

func TestDoctorNamesWhatIsWrongInTheCluster(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "millrace")
	_, err := command(t.Context(), buildTime, "go", "build", "-trimpath", "-buildvcs=false", "-tags=disable_grpc_modules", "-o", program, "../../cmd/millrace")
	require.NoError(t, err)
	m := newMill(t, "doctor", plan{
		overlay: "kubernetes", queue: "sqs", components: []string{"doctor"},
		patches: []object{{"target": object{"kind": "CronJob"}, "patch": operations(
			`{op: add, path: /spec/jobTemplate/spec/template/spec/containers/0/imagePullPolicy, value: IfNotPresent}`)}},
	})
	m.apply()
	m.idle(2 * time.Minute)

	var well []string
	m.await(30*time.Second, "a deployment that is well", func() bool {
		well = errorsOf(m.doctor(program))
		return len(well) == 0
	})
	mustHold(t, "doctor finds no fault with a deployment that works", len(well) == 0, "%d errors", len(well))

	mustKubectl(t, nil, "-n", m.name, "create", "job", "look", "--from=cronjob/millrace-doctor")
	job := func(condition string) string {
		return mustKubectl(t, nil, "-n", m.name, "get", "job", "look", "-o", `jsonpath={.status.conditions[?(@.type=="`+condition+`")].status}`)
	}
	took := m.await(90*time.Second, "doctor in a pod to end", func() bool { return job("Complete")+job("Failed") != "" })
	said := mustKubectl(t, nil, "-n", m.name, "logs", "job/look")
	require.Equal(t, "True", job("Complete"), said)
	mustHold(t, "doctor in a pod looks at queue, store and cluster, with list and get alone", strings.Contains(said, "which answers") &&
		strings.Contains(said, "may list, watch and patch pods"), "in %s; not looked at there: %s", took.Round(time.Second), notLookedAt(said))

	mustKubectl(t, nil, "-n", m.name, "patch", "deployment", "millrace-light", "--type=json", "-p",
		`[{"op": "replace", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 60}]`)
	mustKubectl(t, nil, "-n", m.name, "patch", "scaledobject", "millrace-light", "--type=json", "-p",
		`[{"op": "replace", "path": "/spec/triggers/0/metadata/target", "value": "50"}]`)
	mustKubectl(t, nil, "-n", m.name, "delete", "rolebinding", "millrace-scaler")
	ill := strings.Join(errorsOf(m.doctor(program)), "\n")
	named := 0
	for _, text := range []string{"the pod is killed after 1m0s", "target is 50 and a pod has 5 slots", "millrace-scaler may not list pods"} {
		if strings.Contains(ill, text) {
			named++
		}
	}
	mustHold(t, "doctor names a grace that is too short, a target above the slots, and a lost permission", named == 3, "%d of 3:\n%s", named, ill)
}

// notLookedAt is what doctor could not see.
func notLookedAt(said string) string {
	var what []string
	for line := range strings.Lines(said) {
		if _, text, ok := strings.Cut(line, "not looked at: "); ok {
			name, _, _ := strings.Cut(text, ":")
			what = append(what, name)
		}
	}
	return strings.Join(what, ", ")
}
