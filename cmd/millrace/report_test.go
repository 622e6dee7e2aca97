//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

const leavesAFile = "tasks:\n  - {name: Make, module: Shell, props: {command: sh, args: [-c, 'mkdir -p outputs; echo x > outputs/a.txt']}}\n"

func TestAJobsReportStandsAmongItsOutputs(t *testing.T) {
	p := newPlace(t)
	p.write("p.yaml", leavesAFile)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "docs"), 0o755))
	p.write("docs/report.html", `{% extends "default/report.html" %}{% block footer %}ACME{% endblock %}`)
	id := strings.TrimSpace(p.succeeds("jobs", "run", "p.yaml"))
	p.succeeds("work", "--exit-when-idle", "1s", "--documents", "docs")
	r := decoded[record.Record](t, p.succeeds("jobs", "describe", id, "--json"))
	require.Equal(t, record.Succeeded, r.Status, r.Message)
	require.Empty(t, r.Warnings)
	require.Len(t, r.Artifacts, 2)
	require.Equal(t, "report.html", r.Artifacts[1].Path)
	require.Equal(t, r.Artifacts[1].Key, r.Report)
}

func TestAReportThatFailsIsAWarning(t *testing.T) {
	p := newPlace(t)
	p.write("p.yaml", leavesAFile)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "docs"), 0o755))
	p.write("docs/report.html", "{{ title }} {{ seconds.x }}")
	id := strings.TrimSpace(p.succeeds("jobs", "run", "p.yaml"))
	p.succeeds("work", "--exit-when-idle", "1s", "--documents", "docs")
	r := decoded[record.Record](t, p.succeeds("jobs", "describe", id, "--json"))
	require.Equal(t, record.Succeeded, r.Status)
	require.Len(t, r.Artifacts, 1)
	require.Len(t, r.Warnings, 1)
	require.Contains(t, r.Warnings[0], "report.html:1: seconds.x")
}

func TestAPageDrawsModelsAndLeavesNothingElse(t *testing.T) {
	p := newPlace(t)
	p.write("part.stl", "solid t\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid t\n")
	p.write("p.yaml", "tasks:\n  - {name: Convert, module: STL2OBJ, props: {src: part.stl, dest: part.obj}}\n")
	p.succeeds("run", "p.yaml", "--report", "page.html")
	page, err := os.ReadFile(filepath.Join(p.dir, "page.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "data:image/png;base64,")
	entries, err := os.ReadDir(p.dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"p.yaml", "page.html", "part.obj", "part.stl"}, names)
}

func TestDocumentsThatCanNotBeReadKeepAWorkerFromStarting(t *testing.T) {
	p := newPlace(t)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "docs"), 0o755))
	p.write("docs/report.html", "\n{% include 'x' %}")
	r := p.millrace("work", "--exit-when-idle", "1s", "--documents", "docs", "--callback-template", "nosuch.json", "--report", "maybe")
	require.Equal(t, 2, r.code)
	for _, want := range []string{
		`--documents: report.html:2: there is no tag "include"`, "--callback-template: nosuch.json: ", "slack.json, teams.json",
		`--report: "maybe" is none of auto, always, never`,
	} {
		require.Contains(t, r.stderr, want)
	}
}

func TestAPageOfTheJobsOwnIsNotNamedAsOurs(t *testing.T) {
	for _, when := range []string{"never", "auto"} {
		p := newPlace(t)
		p.write("p.yaml", "tasks:\n  - {name: Make, module: Shell, props: {command: sh, args: [-c, 'mkdir -p outputs; echo mine > outputs/report.html; mkfifo outputs/report-2.html']}}\n")
		id := strings.TrimSpace(p.succeeds("jobs", "run", "p.yaml"))
		p.succeeds("work", "--exit-when-idle", "1s", "--report", when)
		r := decoded[record.Record](t, p.succeeds("jobs", "describe", id, "--json"))
		require.Equal(t, record.Succeeded, r.Status, r.Message)
		if when == "never" {
			require.Len(t, r.Artifacts, 1)
			require.Empty(t, r.Report)
			continue
		}
		require.Len(t, r.Artifacts, 2)
		require.Equal(t, r.ArtifactPath+"report-3.html", r.Report)
	}
}
