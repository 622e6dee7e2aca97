package pipelines_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/render"
)

func batch(t *testing.T) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", "batch.yaml"))
	require.NoError(t, err)
	return src
}

func given(t *testing.T, doc string, state map[string]any) *pipelines.Pipeline {
	t.Helper()
	p, err := pipelines.ParseGiven(t.Context(), "p.yaml", []byte(doc), pipelines.Given{State: state})
	require.NoError(t, err)
	return p
}

func TestBatchAssetProcessingMakesOneTaskOfEachAsset(t *testing.T) {
	p, err := pipelines.Parse("batch.yaml", batch(t))
	require.NoError(t, err)
	require.True(t, p.Structural)
	require.Len(t, p.Tasks, 3)
	s := state(t, p, nil)
	for i, want := range []struct{ name, src, dest string }{
		{"Process model1.fbx", "/home/workspace/model1.fbx", "/home/workspace/model1.glb"},
		{"Process model2.obj", "/home/workspace/model2.obj", "/home/workspace/model2.glb"},
		{"Process model3.dae", "/home/workspace/model3.dae", "/home/workspace/model3.glb"},
	} {
		task := p.Tasks[i]
		require.Equal(t, want.name, task.Name)
		require.Equal(t, map[string]any{"src": want.src, "dest": want.dest, "format": "glb"}, props(t, s, task.Props))
		require.Equal(t, "batch.yaml:12:5", task.Pos.String())
		require.Equal(t, "batch.yaml:15:13", task.Positions["props.src:"].String(), "inside the quotes")
	}
	one := given(t, string(batch(t)), map[string]any{"assets": []any{"chair.stl"}, "output_format": "usdz"})
	require.Len(t, one.Tasks, 1)
	require.Equal(t, "/home/workspace/chair.usdz", props(t, state(t, one, map[string]any{"output_format": "usdz"}), one.Tasks[0].Props)["dest"])
}

// What blocks captured hides the state, in a task's props, its callbacks and its condition; all else is of its time.
func TestWhatBlocksSetIsKnownWhenTheTaskRuns(t *testing.T) {
	p := given(t, `state: {sizes: {m: 2, s: 1}, kind: png}
tasks:
  {% for size, px in sizes %}
  - name: "{{ size }} as {{ kind }}, then {{ later }}"
    id: "id-{{ loop.index }}"
    module: "{% if px > 1 %}Stat{% else %}Now{% endif %}"
    when: px > 1
    register: out_{{ size }}
    props: {path: "{{ px }}", list: ["{{ kind }}{{ loop.index0 }}", plain]}
    callbacks:
      onStart:
        - module: StdOut
          props: {msg: "{{ size }} {{ line }}"}
  {% endfor %}
  - module: Stat
    props: {path: "{{ size }}"}
`, map[string]any{"size": "mine"})
	require.Len(t, p.Tasks, 3)
	first, second := p.Tasks[0], p.Tasks[1]
	require.Equal(t, []any{"m", "s"}, []any{first.Vars["size"], second.Vars["size"]})
	require.Equal(t, "{{ size }} as {{ kind }}, then {{ later }}", first.Name, "not all of it is known yet")
	require.Equal(t, []string{"id-1", "id-2"}, []string{first.ID, second.ID})
	require.Equal(t, []string{"Stat", "Now"}, []string{first.Module, second.Module})
	require.Equal(t, []string{"out_m", "out_s"}, []string{first.Register, second.Register})
	s := state(t, p, map[string]any{"size": "mine"})
	s.Set("kind", "jpg")
	require.Equal(t, map[string]any{"path": int64(2), "list": []any{"jpg0", "plain"}}, props(t, s, first.Props))
	require.Equal(t, map[string]any{"path": int64(1), "list": []any{"jpg1", "plain"}}, props(t, s, second.Props))
	scope := s.With(first.Vars).With(map[string]any{"line": "printed"})
	require.Equal(t, map[string]any{"msg": "m printed"}, props(t, scope, first.Callbacks[pipelines.OnStart][0].Props))
	for i, want := range []bool{true, false} {
		run, err := s.With(p.Tasks[i].Vars).Cond(t.Context(), p.Tasks[i].When)
		require.NoError(t, err)
		require.Equal(t, want, run)
	}
	require.Nil(t, p.Tasks[2].Vars)
	require.Equal(t, map[string]any{"path": "mine"}, props(t, s, p.Tasks[2].Props))
}

func TestBlocksSeeWhatTheJobGives(t *testing.T) {
	doc := `params:
  copies: {type: integer, default: 1}
  prefix: {default: "{{ env.PREFIX }}"}
entries:
  all:
    tasks:
      {% if job.attempt > 1 %}
      - {name: again, module: Now, props: {key: at}}
      {% endif %}
      {% for i in range(copies) %}
      - {name: "{{ prefix }}{{ i }}", module: Now, props: {key: at}}
      {% endfor %}
`
	for _, tt := range []struct {
		name  string
		given pipelines.Given
		want  []string
	}{
		{"nothing", pipelines.Given{}, []string{"0"}},
		{"text that a param makes a number", pipelines.Given{State: map[string]any{"copies": "2"}, Env: map[string]string{"PREFIX": "p"}}, []string{"p0", "p1"}},
		{"a job", pipelines.Given{Entry: "all", State: map[string]any{"prefix": "x"}, Job: map[string]any{"attempt": 2}}, []string{"again", "x0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := pipelines.ParseGiven(t.Context(), "p.yaml", []byte(doc), tt.given)
			require.NoError(t, err)
			var got []string
			for _, task := range p.Tasks {
				got = append(got, task.Name)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

// A hostile value can neither become YAML nor a template.
func TestAValueNeverBecomesPartOfTheDocument(t *testing.T) {
	for _, value := range []string{"x\"\n  - module: Shell", "{{ env.TOKEN }}", "{% for i in range(9) %}", "{#", ": [", "'"} {
		p, err := pipelines.ParseGiven(t.Context(), "batch.yaml", batch(t), pipelines.Given{State: map[string]any{"assets": []any{value}}, Env: map[string]string{"TOKEN": "hush"}})
		require.NoError(t, err, value)
		require.Len(t, p.Tasks, 1)
		require.Equal(t, "AssetConverter", p.Tasks[0].Module)
		s, err := render.NewState(t.Context(), render.Config{Document: p.State, Env: map[string]string{"TOKEN": "hush"}})
		require.NoError(t, err)
		require.Equal(t, "/home/workspace/"+value, props(t, s, p.Tasks[0].Props)["src"])
		name, err := s.With(p.Tasks[0].Vars).Text(t.Context(), p.Tasks[0].Name)
		require.NoError(t, err)
		require.Equal(t, "Process "+value, name)
	}
}

func TestAMessageCanNotHaveATaskRegisterWhatIsReserved(t *testing.T) {
	doc := []byte("tasks:\n  {% for a in assets %}\n  - {module: Stat, register: \"{{ a }}\"}\n  {% endfor %}\n")
	for value, want := range map[string]string{
		"__kafka": `register "__kafka" is reserved for the operator; give it a name that does not start with __`,
		"env":     `register comes to "env", which is built in; put something of your own before it`,
		"state":   `register comes to "state", which is built in; put something of your own before it`,
	} {
		_, err := pipelines.ParseGiven(t.Context(), "p.yaml", doc, pipelines.Given{State: map[string]any{"assets": []any{value}}})
		require.ErrorContains(t, err, want)
	}
	_, err := pipelines.Parse("p.yaml", []byte("tasks: [{module: Stat, register: __kafka}]"))
	require.ErrorContains(t, err, `register "__kafka" is reserved`)
}

func TestSecretsAreKnownBeforeAProblemCanQuoteThem(t *testing.T) {
	doc := []byte(`
state: {assets: [a], password: own-secret-456, api_key: "{{ env.API_TOKEN }}/made"}
tasks:
  {% for a in assets %}
  - {module: Stat, after: "{{ env.API_TOKEN }} {{ password }} {{ api_key }}{{ a }}"}
  {% endfor %}
`)
	secrets := new(redact.Set)
	_, err := pipelines.ParseGiven(t.Context(), "p.yaml", doc, pipelines.Given{Env: map[string]string{"API_TOKEN": "s3cr3t-value-123"}, Secrets: secrets})
	require.ErrorContains(t, err, "s3cr3t-value-123")
	require.NotContains(t, secrets.String(err.Error()), "s3cr3t-value-123")
	require.NotContains(t, secrets.String(err.Error()), "own-secret-456")
	require.NotContains(t, secrets.String(err.Error()), "/made")
}

func TestAMessageOfAMillionEntriesIsRefusedForGood(t *testing.T) {
	_, err := pipelines.ParseGiven(t.Context(), "batch.yaml", batch(t), pipelines.Given{State: map[string]any{"assets": make([]any, 1_000_000)}})
	require.EqualError(t, err, "batch.yaml:11:3: the document's loops take more than 10000 turns in all, 1000000 of them here; loop over less, or start a job for each part")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestAStoppedParseCanBeTriedAgain(t *testing.T) {
	lost := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(lost)
	_, err := pipelines.ParseGiven(ctx, "batch.yaml", batch(t), pipelines.Given{})
	require.ErrorIs(t, err, lost)
	require.Equal(t, fault.Unknown, fault.Of(err))
}
