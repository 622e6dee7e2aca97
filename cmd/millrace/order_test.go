package main_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const walked = `name: walked
state:
  steps: {prepare: {by: [{z: 1, y: 2}]}, build: 2, cleanup: 3}
  same: "{{ steps }}"
tasks:
  {% for step, what in same %}
  - {name: "{{ step }}", module: StdOut, props: {msg: "at {{ step }} {{ what | dump }}"}}
  {% endfor %}
`

// TestTasksRunInTheOrderOfTheMapThatTheyAreMadeOf reads what the tasks print.
func TestTasksRunInTheOrderOfTheMapThatTheyAreMadeOf(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("walked.yaml", walked)
	p.write("message.yaml", "state: {steps: {c: 1, a: {y: 2, x: 3}, b: 3}}\npipeline: |\n  "+strings.ReplaceAll(walked, "\n", "\n  "))
	at := regexp.MustCompile(`at \w+ \S+`)
	require.Equal(t, []string{`at prepare {"by":[{"z":1,"y":2}]}`, "at build 2", "at cleanup 3"}, at.FindAllString(p.succeeds("run", "walked.yaml"), -1))

	want := []string{"at c 1", `at a {"y":2,"x":3}`, "at b 3"}
	given := `steps={"c":1,"a":{"y":2,"x":3},"b":3}`
	require.Equal(t, want, at.FindAllString(p.succeeds("run", "walked.yaml", given), -1))
	for _, args := range [][]string{{"walked.yaml", given}, {"message.yaml"}} {
		job := id(t, p.succeeds(append([]string{"jobs", "run"}, args...)...))
		p.work()
		require.Equal(t, want, at.FindAllString(p.succeeds("jobs", "logs", job), -1), args)
	}
}

func TestADryRunShowsTheStateInItsOrder(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("walked.yaml", walked)
	sent := []string{"jobs", "run", "walked.yaml", `steps={"c":"007","a":{"y":"two\nlines","x":3}}`, "--dry-run"}
	require.Contains(t, p.succeeds(sent...), "steps:\n    c: \"007\"\n    a:\n      y: |-\n        two\n        lines\n      x: 3\n")
	require.Regexp(t, `(?s)"steps": {\s+"c": "007",\s+"a": {\s+"y": .*"x": 3`, p.succeeds(append(sent, "--format", "json")...))
}
