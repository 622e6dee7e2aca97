package preview_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/preview"
	"github.com/millrace/millrace/pipelines/render"
)

// of previews a document with nothing given.
func of(t *testing.T, doc string, secrets *redact.Set) (*preview.Preview, error) {
	t.Helper()
	p, err := pipelines.Parse("p.yaml", []byte(doc))
	require.NoError(t, err)
	secrets.AddNamed(p.State)
	state, err := render.NewState(t.Context(), render.Config{Name: p.Name, Document: p.State})
	require.NoError(t, err)
	return preview.Of(t.Context(), p, state, secrets)
}

func TestOnlyWhatAnEarlierTaskMayMakeWaitsForIt(t *testing.T) {
	const doc = `state: {out: own}
tasks:
  - {id: a, module: Shell, register: out}
  - {id: b, module: Shell, after: [], props: {msg: "{{ out }}"}}
  - {id: c, module: Shell, after: a, props: {msg: "{{ out }}", list: [1, "{{ missing }}"]}}
  - {id: d, module: Now, after: a, when: "false", props: {key: never}}
  - {id: e, module: Shell, after: d, when: out, props: {msg: "{{ never }}"}}
`
	got, err := of(t, doc, new(redact.Set))
	require.NoError(t, err)
	require.Len(t, got.Tasks, 5)
	for i, want := range []map[string]string{
		{}, {"msg": `after task "a"`}, {"msg": `after task "a"`, "list[1]": "missing is not defined"}, {}, {"msg": "never is not defined"},
	} {
		require.Equal(t, want, got.Tasks[i].Notes, got.Tasks[i].Name)
	}
	require.Equal(t, "{{ out }}", got.Tasks[2].Props["msg"], "it stays the template that it is")
	require.False(t, *got.Tasks[3].Runs)
	require.Nil(t, got.Tasks[4].Runs, "only the run can tell")
	require.Equal(t, []string{"a"}, got.Tasks[2].After)
	require.False(t, got.Tasks[2].Next)
}

func TestACallbackSeesItsEventOnlyWhenItHappens(t *testing.T) {
	got, err := of(t, `state: {mine: x}
tasks:
  - module: Shell
    register: out
    callbacks:
      onStart: [{module: StdOut, props: {msg: "{{ mine }} {{ out }}"}}]
      onSuccess: [{module: StdOut, props: {msg: "{{ out }}"}}]
      onError: [{module: StdOut, props: {msg: "{{ error_message }}"}}]
`, new(redact.Set))
	require.NoError(t, err)
	require.Equal(t, []preview.Callback{
		{Event: pipelines.OnError, Module: "StdOut", Props: map[string]any{"msg": "{{ error_message }}"}, Notes: map[string]string{"msg": "when it happens"}},
		{Event: pipelines.OnStart, Module: "StdOut", Props: map[string]any{"msg": "x "}, Notes: map[string]string{"msg": "out is not defined"}},
		{Event: pipelines.OnSuccess, Module: "StdOut", Props: map[string]any{"msg": "{{ out }}"}, Notes: map[string]string{"msg": `after task "#0"`}},
	}, got.Tasks[0].Callbacks)
}

func TestNeitherPreviewNorErrorHoldsASecret(t *testing.T) {
	got, err := of(t, "state: {password: swordfish}\ntasks: [{name: open swordfish, module: Shell, props: {pin: '{{ password }}'}}]\n", new(redact.Set))
	require.NoError(t, err)
	require.Equal(t, "[REDACTED]", got.Tasks[0].Props["pin"])
	require.Equal(t, "open [REDACTED]", got.Tasks[0].Name)
	require.Equal(t, map[string]any{"password": "[REDACTED]"}, got.State)

	_, err = of(t, "state: {password: swordfish}\ntasks: [{name: swordfish, module: Shell, props: {a: '{{ 1/0 }}'}}, {module: Shell, when: x ==}]\n", new(redact.Set))
	require.ErrorContains(t, err, `p.yaml:2:9: task "[REDACTED]": prop "a": `)
	require.ErrorContains(t, err, `task "#1": when: `)
	require.NotContains(t, err.Error(), "swordfish")
}
