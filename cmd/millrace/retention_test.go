package main_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWorkerSweepsWhatIsTooOldAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("make.yaml", "tasks: [{module: Shell, props: {command: sh, args: [-c, 'mkdir -p outputs && echo made > outputs/made.txt']}}]\n")
	job := id(t, p.succeeds("jobs", "run", "make.yaml", "--max-attempts", "1"))
	p.succeeds("work", "--exit-when-idle", "100ms")
	outputs := func() []string {
		all, err := filepath.Glob(filepath.Join(p.dir, ".millrace/store/artifacts", job, "*/*"))
		require.NoError(t, err)
		return all
	}
	require.NotEmpty(t, outputs())
	p.succeeds("work", "--exit-when-idle", "100ms", "--keep-outputs", "1h")
	require.NotEmpty(t, outputs(), "it is not an hour old")
	for range 20 { // a sweep that the worker's end cuts short is finished by the next
		p.succeeds("work", "--exit-when-idle", "200ms", "--keep-outputs", "1ms")
		if len(outputs()) == 0 {
			break
		}
	}
	require.Empty(t, outputs())
	require.Contains(t, p.succeeds("jobs", "describe", job), "SUCCEEDED")
	_, err := os.Stat(filepath.Join(p.dir, ".millrace/store/artifacts", job))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAWorkerSweepsOutputsWhoseJobSaysSo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("make.yaml", "tasks: [{module: Shell, props: {command: sh, args: [-c, 'mkdir -p outputs && echo made > outputs/made.txt']}}]\n")
	job := id(t, p.succeeds("jobs", "run", "make.yaml", "--keep-outputs", "1ms"))
	p.succeeds("work", "--exit-when-idle", "100ms")
	require.Contains(t, p.succeeds("jobs", "describe", job, "--json"), `"artifactsExpireAt"`)
	for range 20 { // a sweep that the worker's end cuts short is finished by the next
		if _, err := os.Stat(filepath.Join(p.dir, ".millrace/store/artifacts-1d", job)); os.IsNotExist(err) {
			return
		}
		p.succeeds("work", "--exit-when-idle", "200ms")
	}
	t.Fatal("its outputs are still there")
}

func TestAgesThatCantBeKeptAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.millrace("work", "--keep-records", "24h", "--keep-outputs", "48h")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "--keep-records: must be 0s or at least 360h0m0s, got 24h0m0s")
	require.Contains(t, r.stderr, "--keep-outputs: outputs go with the record at the latest, after 24h0m0s")
	r = p.millrace("work", "--queue", "sqs:jobs", "--store", "s3://bucket/p", "--keep-outputs", time.Hour.String())
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "--keep-outputs: s3://bucket/p is a bucket, which removes what is old by its own rules; `millrace gen lifecycle` writes them")
}
