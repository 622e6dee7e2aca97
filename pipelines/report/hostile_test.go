package report_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/report"
)

func TestNothingThatAJobLeavesIsReplacedByItsReport(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plant func(outputs string) error
		want  string // the page
		err   string
	}{
		{"a folder", func(d string) error { return os.Mkdir(d+"/report.html", 0o755) }, "report-2.html", ""},
		{"a link to an output", func(d string) error { return os.Symlink("chair.glb", d+"/report.html") }, "report-2.html", ""},
		{"a link that leads nowhere", func(d string) error { return os.Symlink("nowhere", d+"/report.html") }, "report-2.html", ""},
		{"a pipe", func(d string) error { return syscall.Mkfifo(d+"/report.html", 0o644) }, "report-2.html", ""},
		{"a later name of the series", func(d string) error {
			return os.WriteFile(d+"/report-2.html", nil, 0o644)
		}, "report.html", ""},
		{"all the names", func(d string) error {
			err := os.WriteFile(d+"/report.html", nil, 0o644)
			for i := 2; i <= 100 && err == nil; i++ {
				err = os.WriteFile(fmt.Sprintf("%s/report-%d.html", d, i), nil, 0o644)
			}
			return err
		}, "", "the job left files of all the names"},
		{"the folder is a link", func(d string) error {
			if err := os.Rename(d, d+"2"); err != nil {
				return err
			}
			return os.Symlink("in", d)
		}, "", "outputs is a link and no folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(t, 1)
			dir := in.Workspace.Real()
			require.NoError(t, tt.plant(filepath.Join(dir, "outputs")))
			before := tree(t, dir)
			start := time.Now()
			name, err := report.Config{When: report.Always}.Write(t.Context(), in)
			require.Less(t, time.Since(start), 2*time.Second)
			require.Equal(t, tt.want, name)
			after := tree(t, dir)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.Equal(t, before, after)
				return
			}
			require.NoError(t, err)
			require.Contains(t, after, "outputs/"+name)
			delete(after, "outputs/"+name)
			require.Equal(t, before, after)
		})
	}
}

// tree is what lies in a folder: each entry's kind and size.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		all[strings.TrimPrefix(path, dir+"/")] = fmt.Sprint(d.Type(), info.Size())
		return err
	}))
	return all
}

func TestALargeRunGetsAPage(t *testing.T) {
	in := input(t, 20_000)
	for i := range 3000 {
		in.Run.Warnings = append(in.Run.Warnings, strings.Repeat("w", 4096))
		in.Run.Result[fmt.Sprint("r", i)] = strings.Repeat("r", 4096)
	}
	for i := range in.Run.Tasks {
		in.Run.Tasks[i].Output = map[string]any{"text": strings.Repeat("x", 8<<10)}
	}
	page, err := report.Config{}.Page(t.Context(), in, "")
	require.NoError(t, err)
	require.Contains(t, page, "and 19500 more")
	require.Contains(t, page, "3001 warnings")
	require.Contains(t, page, "and 2901 more")
}

func TestASecretIsMaskedBeforeATextIsCut(t *testing.T) {
	in := input(t, 1)
	secret := strings.Repeat("S", 40)
	in.Redact.Add(secret)
	in.Redact.Add("p@ss w%rd1")
	in.Run.Result = map[string]any{"a": strings.Repeat("a", 1990) + secret}
	in.Run.Warnings = []string{strings.Repeat("a", 1990) + secret}
	require.NoError(t, in.Workspace.WriteFile("outputs/p@ss w%rd1.txt", nil))
	page, err := report.Config{}.Page(t.Context(), in, "")
	require.NoError(t, err)
	require.NotContains(t, page, "SSSS")
	require.NotContains(t, page, "p@ss")
	require.NotContains(t, page, "w%25rd1")
}

func TestSizesAreComparedOfFilesOfOneKind(t *testing.T) {
	for dest, want := range map[string]bool{"outputs/chair.glb": true, "outputs/chair.png": false, "outputs/chair.zip": false} {
		in := input(t, 1)
		in.Run.Tasks[0].Made[0].Path = dest
		page, err := report.Config{}.Page(t.Context(), in, "")
		require.NoError(t, err)
		require.Equal(t, want, strings.Contains(page, "Before and after"), dest)
	}
}
