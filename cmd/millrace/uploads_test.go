//go:build linux

package main_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

// copying is a pipeline that publishes files of its workspace.
const copying = `
name: copying
state: {inputFilename: a.txt}
tasks:
  - module: Shell
    props: {command: bash, args: ["-c", "mkdir -p outputs && cp '{{ inputFilename }}' outputs/ && find . -type f | sort"]}
`

// published is what a job left under a name.
func (m *mill) published(id, name string) string {
	m.t.Helper()
	rec := m.record(id)
	require.Equal(m.t, record.Succeeded, rec.Status, rec.Message)
	for _, a := range rec.Artifacts {
		if a.Path == name {
			b, err := os.ReadFile(filepath.Join(m.data, "store", a.Key))
			require.NoError(m.t, err)
			return string(b)
		}
	}
	m.t.Fatalf("%s is not among %v", name, rec.Artifacts)
	return ""
}

func TestFilesReachTheJobThatTheyWereSentFor(t *testing.T) {
	t.Parallel()
	m, p := newMill(t), newPlace(t)
	d := m.gateway()
	p.write("job.yaml", copying)
	for name, text := range map[string]string{
		"in/a.txt": "from a folder", "in/deep/b ü.txt": "b", "in/.git/config": "x", "in/skip.tmp": "x", "in/.millraceignore": "# not these\n*.tmp\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(p.dir, filepath.Dir(name)), 0o700))
		p.write(name, text)
	}
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "in/empty"), 0o700))

	status, answer := d.post("/v1/uploads?name=gear.txt&pipeline="+escaped(copying), "text/plain", "by curl")
	require.Equal(t, http.StatusAccepted, status, answer)
	byCurl := d.jobs(answer)[0]
	direct := strings.TrimSpace(p.succeeds("jobs", "run", "job.yaml", "--with", "in", "--data", m.data))
	served := strings.TrimSpace(p.succeeds("jobs", "run", "job.yaml", "--with", "in", "--server", d.url, "--id", "mine"))
	require.Equal(t, "mine", served)

	key := strings.TrimSpace(p.succeeds("files", "put", "in/a.txt", "--to", "models/", "--data", m.data))
	require.Equal(t, "files/models/a.txt", key)
	require.Equal(t, key+"\n", p.succeeds("files", "put", "in/a.txt", "--to", "models/a.txt", "--server", d.url))
	m.job("kept", copying, map[string]any{"inputs": []map[string]any{{"key": key, "name": "a.txt"}}})
	m.job("gone", copying, map[string]any{"inputs": []map[string]any{{"key": "uploads/none/inputs/a.txt", "name": "a.txt"}}})
	p.succeeds("files", "put", "job.yaml", "--data", m.data)
	m.job("unzipped", copying, map[string]any{"inputs": []map[string]any{{"key": "files/job.yaml", "name": ".", "unpack": true}}})
	m.work()

	require.Equal(t, "by curl", m.published(byCurl, "gear.txt"))
	for _, id := range []string{direct, served} {
		require.Equal(t, "from a folder", m.published(id, "a.txt"))
		log := m.log(id)
		for _, there := range []string{"./a.txt", "./deep/b ü.txt"} {
			require.Contains(t, log, there)
		}
		for _, not := range []string{"config", "skip.tmp", ".inputs", "with.zip"} {
			require.NotContains(t, log, not)
		}
	}
	require.Equal(t, "from a folder", m.published("kept", "a.txt"))
	require.Contains(t, m.record("gone").Message, "nothing stands under uploads/none/inputs/a.txt")
	require.Equal(t, record.Failed, m.record("gone").Status)
	require.Contains(t, m.record("unzipped").Message, "it is no ZIP archive")

	for _, from := range [][]string{{"--data", m.data}, {"--server", d.url}} {
		require.Equal(t, "from a folder", p.succeeds(append([]string{"files", "fetch", "models/a.txt", "-o", "-"}, from...)...))
		p.succeeds(append([]string{"files", "fetch", key}, from...)...)
		b, err := os.ReadFile(filepath.Join(p.dir, "a.txt"))
		require.NoError(t, err)
		require.Equal(t, "from a folder", string(b))
		none := p.millrace(append([]string{"files", "fetch", "models/none"}, from...)...)
		require.Equal(t, 1, none.code, none.stderr)
		require.NoFileExists(t, filepath.Join(p.dir, "none"))
		nowhere := p.millrace(append([]string{"files", "fetch", key, "-o", "no/folder"}, from...)...)
		require.Equal(t, 1, nowhere.code)
		require.Contains(t, nowhere.stderr, "write no/folder: no such file or directory")
	}
	d.signal()
	d.end()
}

func escaped(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func TestAFolderThatCanNotBeSentIsRefusedBeforeAnythingIs(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("job.yaml", copying)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "in"), 0o700))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(p.dir, "in/link")))
	for _, tt := range []struct {
		args  []string
		code  int
		wrong string
	}{
		{[]string{"jobs", "run", "job.yaml", "--with", "in"}, 1, "link is a symbolic link"},
		{[]string{"jobs", "run", "job.yaml", "--with", "none"}, 1, "no such file or directory"},
		{[]string{"files", "put", "job.yaml", "--to", "../x"}, 2, "is no path inside a folder"},
		{[]string{"files", "put", "in"}, 1, "is no file"},
		{[]string{"files", "put", "none"}, 1, "no such file or directory"},
	} {
		r := p.millrace(tt.args...)
		require.Equal(t, tt.code, r.code, "%v: %s", tt.args, r.stderr)
		require.Contains(t, r.stderr, tt.wrong)
	}
	require.NoDirExists(t, filepath.Join(p.dir, ".millrace", "store", "uploads"))
}
