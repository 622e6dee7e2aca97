package moduletest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
)

// Conform fails t unless m is described well enough to be listed, linted and documented, refuses what it does not
// know, and stops when it is told to.
func Conform(t *testing.T, m modules.Module) {
	t.Helper()
	s := m.Spec()
	t.Run("it has a name and a summary of one sentence", func(t *testing.T) {
		require.NotEmpty(t, s.Name)
		require.True(t, strings.HasSuffix(s.Summary, "."), "summary %q has no full stop", s.Summary)
		require.NotContains(t, strings.TrimSuffix(s.Summary, "."), ". ", "summary is more than one sentence")
	})
	t.Run("every prop and output is documented", func(t *testing.T) {
		documented(t, "prop ", s.Props)
		documented(t, "output ", s.Outputs)
		for _, f := range s.Outputs {
			require.NotEqual(t, modules.Duration, f.Type, "output %s is a duration; give milliseconds", f.Name)
		}
	})
	t.Run("its defaults are good values", func(t *testing.T) { defaults(t, s.Props) })
	t.Run("its example is a task that passes its own checks", func(t *testing.T) {
		require.Empty(t, modules.CheckProps(s, example(t, s), isTemplate))
	})
	t.Run("it refuses an unknown prop for good", func(t *testing.T) {
		props := example(t, s)
		props["no_such_prop"] = 1
		c, _ := Call(t)
		_, err := m.Run(t.Context(), c, props)
		require.ErrorContains(t, err, `prop "no_such_prop" is unknown`)
		require.Equal(t, fault.Permanent, fault.Of(err))
	})
	t.Run("it ends within a second of cancellation", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { canceled(t, m) })
	})
	t.Run("its schema and its page can be written", func(t *testing.T) {
		require.NotEmpty(t, modules.JSONSchema(s))
		require.Contains(t, modules.Markdown(s), "## "+s.Name)
	})
}

func documented(t *testing.T, what string, fields []modules.Field) {
	t.Helper()
	for _, f := range fields {
		require.NotEmpty(t, f.Name)
		require.NotEmpty(t, f.Doc, what+f.Name)
		require.True(t, strings.HasSuffix(f.Doc, "."), "%s%s: doc %q has no full stop", what, f.Name, f.Doc)
		documented(t, what+f.Name+".", f.Fields)
	}
}

func defaults(t *testing.T, fields []modules.Field) {
	t.Helper()
	for _, f := range fields {
		only := modules.Spec{Props: []modules.Field{f}}
		only.Props[0].Required = false
		require.Empty(t, modules.CheckProps(only, nil, nil))
		defaults(t, f.Fields)
	}
}

// example returns the props of the example task.
func example(t *testing.T, s modules.Spec) map[string]any {
	t.Helper()
	var tasks []struct {
		Module   string         `yaml:"module"`
		Props    map[string]any `yaml:"props"`
		GPU      any            `yaml:"gpu"`
		Register string         `yaml:"register"`
	}
	d := yaml.NewDecoder(strings.NewReader(s.Example))
	d.KnownFields(true)
	require.NoError(t, d.Decode(&tasks))
	require.Len(t, tasks, 1)
	require.Equal(t, s.Name, tasks[0].Module)
	if tasks[0].Props == nil {
		return map[string]any{}
	}
	return tasks[0].Props
}

func isTemplate(v any) bool {
	s, ok := v.(string)
	return ok && strings.Contains(s, "{{")
}

// canceled runs the example where every program and every server keeps it waiting, and ends its context.
func canceled(t *testing.T, m modules.Module) {
	c, r := Call(t)
	r.OnRun = func(ctx context.Context, _ proc.Cmd) (proc.Exit, error) {
		<-ctx.Done()
		return proc.Exit{}, context.Cause(ctx)
	}
	c.HTTP = &http.Client{Transport: blocking{}}
	c.Bucket = func(ctx context.Context, _ modules.BucketRef) (modules.Bucket, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	lost := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		_, err := m.Run(ctx, c, example(t, m.Spec()))
		ended <- err
	}()
	synctest.Wait()
	cancel(lost)
	start := time.Now()
	<-ended
	require.LessOrEqual(t, time.Since(start), time.Second)
}
