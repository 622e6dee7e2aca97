// Package lint holds Dockerfile.cuda against BuildKit's own linter, and against what that misses. It is a module of its own:
// BuildKit brings some hundred others, and the product needs none of them.
package lint

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

// targets are the images that a Dockerfile must have, one for each class of jobs.
var targets = []string{"light", "heavy", "gpu"}

func TestTheDockerfileIsClean(t *testing.T) {
	text, err := os.ReadFile("../../../Dockerfile.cuda")
	require.NoError(t, err)
	require.Empty(t, problems(t, text))
}

// base answers for every image that a Dockerfile starts from: nothing is pulled.
type base struct{}

func (base) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/usr/bin:/bin"]}, "rootfs": {"type": "layers"}}`)
	return ref, digest.FromBytes(config), config, nil
}

// problems is what is wrong with a Dockerfile, one sentence each.
func problems(t *testing.T, text []byte) []string {
	t.Helper()
	root := llb.Scratch()
	definition, err := root.Marshal(t.Context())
	require.NoError(t, err)
	sources := llb.NewSourceMap(&root, "Dockerfile.cuda", "dockerfile", text)
	sources.Definition = definition
	results, err := dockerfile2llb.DockerfileLint(t.Context(), text, dockerfile2llb.ConvertOpt{SourceMap: sources, MetaResolver: base{}})
	require.NoError(t, err)

	var found []string
	if results.Error != nil {
		found = append(found, results.Error.Message)
	}
	for _, w := range results.Warnings {
		found = append(found, w.RuleName+": "+w.Detail)
	}
	return append(found, missed(t, text)...)
}

// missed is what BuildKit's linter lets pass: it takes a name that is no stage for an image to pull. Ours are arguments.
func missed(t *testing.T, text []byte) []string {
	t.Helper()
	parsed, err := parser.Parse(bytes.NewReader(text))
	require.NoError(t, err)
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil // the linter has said so
	}

	var found, names []string
	for _, stage := range stages {
		if !strings.HasPrefix(stage.BaseName, "${") && !slices.Contains(names, stage.BaseName) {
			found = append(found, "FROM "+stage.BaseName+": no stage above has this name, and images are named by arguments")
		}
		user := ""
		for _, c := range stage.Commands {
			for _, from := range sourcesOf(t, c) {
				if !slices.Contains(names, from) {
					found = append(found, "from="+from+" in stage "+stage.Name+": no stage above has this name")
				}
			}
			if u, is := c.(*instructions.UserCommand); is {
				user = u.User
			}
		}
		if slices.Contains(targets, stage.Name) && user != "1001:0" {
			found = append(found, "stage "+stage.Name+" ends as user "+user+", not as 1001:0: a cluster that asks for runAsNonRoot refuses it")
		}
		names = append(names, stage.Name)
	}
	for _, target := range targets {
		if !slices.Contains(names, target) {
			found = append(found, "there is no stage "+target)
		}
	}
	return found
}

// sourcesOf is the stages that an instruction takes files from.
func sourcesOf(t *testing.T, c instructions.Command) []string {
	t.Helper()
	var from []string
	switch c := c.(type) {
	case *instructions.CopyCommand:
		from = append(from, c.From)
	case *instructions.RunCommand:
		require.NoError(t, c.Expand(func(word string) (string, error) { return word, nil }))
		for _, m := range instructions.GetMounts(c) {
			from = append(from, m.From)
		}
	}
	return slices.DeleteFunc(from, func(name string) bool { return name == "" })
}

func TestFaultsOfADockerfileAreFound(t *testing.T) {
	const rest = `
FROM ground AS heavy
USER 1001:0
FROM ground AS gpu
USER 1001:0
`
	for _, tt := range []struct {
		name, text, want string
	}{
		{"a stage that COPY mistypes", "FROM ground AS light\nCOPY --from=statc /out /\nUSER 1001:0", "from=statc"},
		{"a stage that a mount mistypes", "FROM ground AS light\nRUN --mount=type=bind,from=prts,target=/x true\nUSER 1001:0", "from=prts"},
		{"a stage that FROM mistypes", "FROM grund AS light\nUSER 1001:0", "FROM grund"},
		{"an image that runs as root", "FROM ground AS light", "as user "},
		{"an image that is missing", "FROM ground AS lite\nUSER 1001:0", "no stage light"},
		{"a variable that is nobody's", "FROM ground AS light\nCOPY $NOBODY /\nUSER 1001:0", "UndefinedVar"},
		{"a secret that stays in a layer", "FROM ground AS light\nENV AWS_SECRET_ACCESS_KEY=x\nUSER 1001:0", "SecretsUsedInArgOrEnv"},
		{"an instruction that is none", "FROM ground AS light\nCOPPY a /\nUSER 1001:0", "unknown instruction"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := "ARG BASE=docker.io/library/debian:12-slim\nFROM ${BASE} AS ground\n" + tt.text + rest
			require.Contains(t, strings.Join(problems(t, []byte(text)), "\n"), tt.want)
		})
	}
}
