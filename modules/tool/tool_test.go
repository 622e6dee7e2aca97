package tool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// mill is a tool that the tests make programs for.
func mill() tool.Tool {
	return tool.Tool{
		Name: "Mill", Programs: []string{"mill7", "mill"}, Version: []string{"--version"}, Pattern: `^Mill (\d+(?:\.\d+)*)`,
		Least: "1.9", Get: "as root on Debian 12: apt-get install mill",
	}
}

// program writes an executable script and returns its path.
func program(t *testing.T, dir, name, script string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	return path
}

func says(version string) string { return fmt.Sprintf("echo 'Mill %s of 2026'", version) }

func set(dirs ...string) *tool.Set {
	path := ""
	for _, dir := range append(dirs, "/usr/bin", "/bin") {
		path += dir + ":"
	}
	return &tool.Set{Path: path}
}

func TestTheFirstProgramInPathIsTaken(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	program(t, two, "mill", says("3.0"))
	path := program(t, one, "mill", says("2.1.4"))
	f, err := set(one, two).Find(t.Context(), mill())
	require.NoError(t, err)
	require.Equal(t, tool.Found{Name: "Mill", Path: path, Version: "2.1.4"}, f)

	path = program(t, two, "mill7", says("7.0"))
	f, err = set(one, two).Find(t.Context(), mill())
	require.NoError(t, err)
	require.Equal(t, path, f.Path, "the better name comes first, wherever it lies")
}

func TestAnotherProgramOfTheSameNameIsPassedOver(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	wrong := program(t, one, "mill", "echo 'usage: mill FLOUR'; exit 2")
	_, err := set(one).Find(t.Context(), mill())
	require.EqualError(t, err, "Mill is missing: "+wrong+" is another program: asked for its version, it does not say that it is Mill; as root on Debian 12: apt-get install mill")

	path := program(t, two, "mill", says("2")+"; exit 1")
	f, err := set(one, two).Find(t.Context(), mill())
	require.NoError(t, err, "the exit code says nothing")
	require.Equal(t, path, f.Path)
}

func TestAMissingToolIsOneSentence(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mill"), []byte("not executable"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "mill7"), 0o755))
	_, err := set(dir).Find(t.Context(), mill())
	require.EqualError(t, err, "Mill is missing: no program mill7 or mill is in PATH; as root on Debian 12: apt-get install mill")
	missing, ok := errors.AsType[*tool.MissingError](err)
	require.True(t, ok)
	require.Equal(t, "Mill", missing.Tool.Name)
}

func TestVersionsAreComparedNumberByNumber(t *testing.T) {
	for _, tt := range []struct {
		version, least string
		ok             bool
	}{
		{"1.9", "1.9", true},
		{"1.10", "1.9", true},
		{"2", "1.9", true},
		{"1.9.1", "1.9", true},
		{"1.8.99", "1.9", false},
		{"1", "1.9", false},
		{"1", "", true},
		{"99999999999999999999999999", "1", false}, // no version has so many digits
	} {
		t.Run(tt.version+" for "+tt.least, func(t *testing.T) {
			dir, want := t.TempDir(), mill()
			want.Least = tt.least
			path := program(t, dir, "mill", says(tt.version))
			_, err := set(dir).Find(t.Context(), want)
			if tt.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, path+" has version "+tt.version+", and "+tt.least+" is the least that will do")
		})
	}
}

func TestAProgramIsAskedOnceUntilItsFileChanges(t *testing.T) {
	dir := t.TempDir()
	asked := filepath.Join(t.TempDir(), "asked")
	path := program(t, dir, "mill", "echo asked >>"+asked+"; "+says("2.0"))
	s := set(dir)
	for range 3 {
		_, err := s.Find(t.Context(), mill())
		require.NoError(t, err)
	}
	times, err := os.ReadFile(asked)
	require.NoError(t, err)
	require.Equal(t, "asked\n", string(times))

	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+says("2.1.0")), 0o755))
	f, err := s.Find(t.Context(), mill())
	require.NoError(t, err)
	require.Equal(t, "2.1.0", f.Version)
	require.NoError(t, os.Remove(path))
	_, err = s.Find(t.Context(), mill())
	require.ErrorContains(t, err, "Mill is missing")
}

func TestAProgramThatCouldNotAnswerIsAskedAgainInAWhile(t *testing.T) {
	dir, down := t.TempDir(), filepath.Join(t.TempDir(), "down")
	require.NoError(t, os.WriteFile(down, nil, 0o600))
	path := program(t, dir, "mill", "test -e "+down+" && kill -9 $$; "+says("2.0"))
	s := set(dir)
	killed := "Mill is missing: " + path + " does not tell its version (it was ended by a signal: killed)"
	_, err := s.Find(t.Context(), mill())
	require.ErrorContains(t, err, killed)
	require.NoError(t, os.Remove(down))
	_, err = s.Find(t.Context(), mill())
	require.ErrorContains(t, err, killed, "not at every turn")
	s.Age(time.Minute)
	_, err = s.Find(t.Context(), mill())
	require.NoError(t, err)
}

func TestWhatSomebodyElseFoundIsNotLookedFor(t *testing.T) {
	known := tool.Found{Name: "Mill", Path: "/nowhere/mill", Version: "2"}
	f, err := (&tool.Set{Known: []tool.Found{known}}).Find(t.Context(), mill())
	require.NoError(t, err)
	require.Equal(t, known, f)
}

func TestADeclaredToolIsAskedForByName(t *testing.T) {
	dir := t.TempDir()
	s := set(dir)
	s.Declared = []tool.Tool{mill()}
	require.ErrorContains(t, s.Has(t.Context(), "Mill"), "Mill is missing: no program mill7 or mill is in PATH")
	program(t, dir, "mill", says("2.0"))
	require.NoError(t, s.Has(t.Context(), "Mill"), "it was installed since")
	path := program(t, dir, "mill7", says("2.0"))
	s.Known = []tool.Found{{Name: "Mill", Path: path}}
	require.NoError(t, s.Has(t.Context(), "Mill"))
	require.NoError(t, os.Remove(path))
	require.ErrorContains(t, s.Has(t.Context(), "Mill"), "Mill is missing: "+path+" is gone")
	require.EqualError(t, s.Has(t.Context(), "Wind"), "Wind is missing: this version of Millrace knows no such tool; take a version that has it")
}

func TestTheOperatorsLimitsComeFirst(t *testing.T) {
	s := &tool.Set{Limits: map[string]proc.Limits{"Mill": {Memory: 7}}}
	want := mill()
	want.Memory, want.CPU = 5, time.Hour
	require.Equal(t, proc.Limits{Memory: 7, CPU: time.Hour}, s.LimitsOf(want))
	want.Name = "Other"
	require.Equal(t, proc.Limits{Memory: 5, CPU: time.Hour}, s.LimitsOf(want))
}

func TestAProgramNamedByHandIsTheOnlyOne(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	program(t, dir, "mill", says("2.0"))
	mine := program(t, other, "my-mill", says("4.0"))
	s := set(dir)
	s.Override = func(name string) string {
		require.Equal(t, "Mill", name)
		return mine
	}
	f, err := s.Find(t.Context(), mill())
	require.NoError(t, err)
	require.Equal(t, mine, f.Path)
	mine = other + "/none"
	_, err = s.Find(t.Context(), mill())
	require.ErrorContains(t, err, "Mill is missing: "+mine+", which was named by hand, is not a program; ")
}

func TestAToolsFolderAndInterpretersAreSearched(t *testing.T) {
	dir := t.TempDir()
	s := set()
	s.Folder = dir
	shell := tool.Tool{Name: "Shell", Programs: []string{"bin/sh9"}, Version: []string{"-c", "echo Shell 9"}, Pattern: `^Shell (\d)`, Get: "get it"}
	script := tool.Tool{Name: "Script", Programs: []string{"scripts/it.sh"}, Runner: &shell, Pattern: `^Script (\d)`, Get: "get that"}
	_, err := s.Find(t.Context(), script)
	require.EqualError(t, err, "Script is missing: it needs Shell (there is no "+dir+"/bin/sh9); get that")
	program(t, dir, "bin/sh9", `exec /bin/sh "$@"`)
	_, err = s.Find(t.Context(), script)
	require.EqualError(t, err, "Script is missing: there is no "+dir+"/scripts/it.sh; get that")

	path := program(t, dir, "scripts/it.sh", "echo Script 5")
	require.NoError(t, os.Chmod(path, 0o644))
	f, err := s.Find(t.Context(), script)
	require.NoError(t, err)
	require.Equal(t, tool.Found{Name: "Script", Path: path, Runner: dir + "/bin/sh9", Version: "5"}, f)
	start, args := f.Command()
	require.Equal(t, dir+"/bin/sh9", start)
	require.Equal(t, []string{path}, args)
}

func TestAProgramThatDoesNotAnswerIsLeftWhenTheContextEnds(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "mill", "sleep 60")
	lost := errors.New("lease lost")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, lost)
	defer cancel()
	_, err := set(dir).Find(ctx, mill())
	require.ErrorIs(t, err, lost)
}

func TestTheWorkingFolderIsNotInPath(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "mill", says("2.0"))
	t.Chdir(dir)
	_, err := (&tool.Set{Path: ".::"}).Find(t.Context(), mill())
	require.ErrorContains(t, err, "no program mill7 or mill is in PATH")
}

// The tools that `make tools` installs are what their descriptions say.
func TestEveryToolIsFoundWhereItWasInstalled(t *testing.T) {
	folder, err := filepath.Abs("../../.tools")
	require.NoError(t, err)
	s := &tool.Set{Path: os.Getenv("PATH"), Folder: folder}
	for _, want := range tool.All() {
		t.Run(want.Name, func(t *testing.T) {
			f, err := s.Find(t.Context(), want)
			require.NoError(t, err)
			t.Log(f)
			require.NotEmpty(t, f.Version)
		})
	}
}
