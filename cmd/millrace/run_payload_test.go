//go:build linux

package main_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// G1, G16: a pod that is there for one job finds its message in JOB_PAYLOAD, or in the file of a ConfigMap.
func TestG1APayloadIsRunOnce(t *testing.T) {
	t.Parallel()
	inline := `{"pipeline": {"name": "p", "state": {"who": "nobody"}, "tasks": [{"module": "StdOut", "props": {"msg": "{{ job.id }} {{ who }}"}}]}, "state": {"who": "Ada"}}`
	for _, tt := range []struct {
		name, payload string
		args          []string
		code          int
		stdout, says  string
	}{
		{"a pipeline by its name", `{"pipeline": "hello_world", "state": {"name": "Ada"}}`, nil, 0, "Hello Ada!!!\n", ""},
		{"with values laid over it", `{"pipeline": "hello_world", "state": {"name": "Ada"}}`, []string{"name=Grace"}, 0, "Hello Grace!!!\n", ""},
		{"a line of text", `hello_world name=Ada`, nil, 0, "Hello Ada!!!\n", ""},
		{"a pipeline itself", inline, nil, 0, "pod-7 Ada\n", ""},
		{"with an ID of its own", strings.Replace(inline, `{`, `{"id": "order-7", `, 1), nil, 0, "order-7 Ada\n", ""},
		{"what is named wins", `{"pipeline": "hello_world", "state": {"name": "Ada"}}`, []string{"hello_world", "name=Linus"}, 0, "Hello Linus!!!\n", ""},
		{"broken JSON", `{"jobId": "b2c8", "avatar"`, nil, 1, "", "JOB_PAYLOAD: "},
		{"an empty one", "", nil, 1, "", "JOB_PAYLOAD: "},
		{"nothing that is a job", `{"colour": "red"}`, nil, 1, "", "JOB_PAYLOAD: the message is no job"},
		{"the job of an operator in Kubernetes", `{"apiVersion": "gpu.yourdomain.io/v1alpha1", "kind": "EphemeralAccelerationJob", "spec": {"model": "resnet50"}}`, nil, 1, "", "EphemeralAccelerationJob"},
		{"a pipeline that is not there", `{"pipeline": "hello_wrld"}`, nil, 1, "", "hello_world"},
		{"a version that is not there", `{"pipeline": "hello_world", "version": "sha256:` + strings.Repeat("0", 64) + `"}`, nil, 1, "", "not sha256:0000"},
		{"a program of its choice", `{"tasks": [{"module": "Shell", "props": {"command": "id"}}]}`, nil, 1, "", "only pipelines of the catalogue"},
		{"a path of the machine", `{"tasks": [{"module": "Stat", "props": {"src": "/etc/passwd"}}]}`, nil, 1, "", "/etc/passwd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.env = []string{"JOB_PAYLOAD=" + tt.payload, "JOB_ID=pod-7"}
			r := p.millrace(append([]string{"run"}, tt.args...)...)
			require.Equal(t, tt.code, r.code, r.stderr)
			require.Equal(t, tt.stdout, r.stdout)
			require.Contains(t, r.stderr, tt.says)
		})
	}
}

func TestG1APayloadReachesNoPrivateHostThatTheOperatorDidNotName(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	t.Cleanup(server.Close)
	p := newPlace(t)
	p.env = []string{`JOB_PAYLOAD={"tasks": [{"module": "Http", "props": {"url": "` + server.URL + `"}}]}`}
	r := p.millrace("run")
	require.Equal(t, 1, r.code, r.stderr)
	require.Contains(t, r.stderr, "127.0.0.1")
	p.succeeds("run", "--allow-hosts", "127.0.0.1")
}

func TestG1AMessageInAFileIsRunLikeAPipeline(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("payload.json", `{"pipeline": "hello_world", "state": {"name": "Ada"}}`)
	require.Equal(t, "Hello Ada!!!\n", p.succeeds("run", "-f", "payload.json"))
	require.Equal(t, "Hello Grace!!!\n", p.succeeds("run", "file://"+p.dir+"/payload.json", "name=Grace"))
	text, err := os.ReadFile(p.dir + "/payload.json")
	require.NoError(t, err)
	r := p.millraceReading(string(text), "run", "-")
	require.Equal(t, "Hello Ada!!!\n", r.stdout, r.stderr)

	p.write("late.json", `{"deadline": "50ms", "pipeline": {"tasks": [{"module": "Shell", "props": {"command": "sleep", "args": ["20"]}}]}}`)
	r = p.millrace("run", "late.json")
	require.Equal(t, 1, r.code, r.stderr)
	require.Contains(t, r.stderr, "deadline of 50ms")

	r = p.millrace("run")
	require.Equal(t, 1, r.code, "nothing on stdin, and no payload")
	require.Contains(t, r.stderr, "JOB_PAYLOAD")
}
