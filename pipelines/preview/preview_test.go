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
		{Event: pipelines.OnStart, Module: "StdOut", Props: map[string]any{"msg": "x "}, Notes: map[string]string{"msg": "out is not defined"}},
		{Event: pipelines.OnSuccess, Module: "StdOut", Props: map[string]any{"msg": "{{ out }}"}, Notes: map[string]string{"msg": `after task "#0"`}},
		{Event: pipelines.OnError, Module: "StdOut", Props: map[string]any{"msg": "{{ error_message }}"}, Notes: map[string]string{"msg": "when it happens"}},
	}, got.Tasks[0].Callbacks)
}

func TestNeitherPreviewNorErrorHoldsASecret(t *testing.T) {
	got, err := of(t, "state: {password: swordfish}\ntasks: [{name: open swordfish, module: Shell, props: {pin: '{{ password }}'}}]\n", new(redact.Set))
	require.NoError(t, err)
	require.Equal(t, "[REDACTED]", got.Tasks[0].Props["pin"])
	require.Equal(t, "open [REDACTED]", got.Tasks[0].Name)
	require.Equal(t, map[string]any{"password": "[REDACTED]"}, got.State)

	_, err = of(t, "state: {password: swordfish}\ntasks: [{name: swordfish, module: Shell, props: {a: '{{ 1/0 }}'}}, {module: Shell, when: x ==}]\n", new(redact.Set))
	require.ErrorContains(t, err, `p.yaml:2:50: task "[REDACTED]": prop "a": `)
	require.ErrorContains(t, err, `task "#1": when: `)
	require.NotContains(t, err.Error(), "swordfish")
}

func TestWhatURLsAndKeysShowToBeSecretIsMasked(t *testing.T) {
	got, err := of(t, `tasks:
  - {module: Http, props: {url: "https://u:pw-1234@x.org/?token=abc%20def&page=2", note: "swordfish"}}
  - {module: Http, props: {url: "https://x.org", headers: {Authorization: swordfish}}}
`, new(redact.Set))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"url": "https://u:[REDACTED]@x.org/?token=[REDACTED]&page=2", "note": "[REDACTED]"}, got.Tasks[0].Props)
}

func TestAnErrorStandsWhereTheMistakeIs(t *testing.T) {
	_, err := of(t, `tasks:
  - name: B
    module: Shell
    when: y ==
    props:
      config:
        msg: |
          fine
          then {{ x | nope }}
    callbacks:
      onEnd:
        - {module: StdOut, props: {msg: "{{ 1/0 }}"}}
`, new(redact.Set))
	var bad *pipelines.ParseError
	require.ErrorAs(t, err, &bad)
	var at []string
	for _, p := range bad.Problems {
		at = append(at, p.Pos.String())
	}
	require.Equal(t, []string{"p.yaml:4:15", "p.yaml:9:23", "p.yaml:12:36"}, at, err.Error())
}

func TestTheNeedOfAGPUIsFoundInWhatIsGiven(t *testing.T) {
	p, err := pipelines.Parse("p.yaml", []byte(`params: {gpu: {type: boolean, default: true}}
state: {fast: "{{ gpu }}"}
tasks:
  - {module: ScreenshotGenerator, props: {config: {use_gpu: "{{ fast }}"}}}
  - {module: ScreenshotGenerator, props: {use_gpu: true}, when: gpu}
  - {module: Shell, register: found}
  - {module: ScreenshotGenerator, props: {use_gpu: "{{ found.ok }}"}}
entries:
  other:
    params: {cards: {default: true}}
    tasks: [{module: ScreenshotGenerator, props: {config: {use_gpu: "{{ cards }}"}}}]
`))
	require.NoError(t, err)
	needs := func(tasks []pipelines.Task) (all []bool) {
		for _, t := range tasks {
			all = append(all, t.GPU != nil)
		}
		return all
	}
	with := preview.WithGPUs(t.Context(), p, nil)
	require.Equal(t, []bool{true, true, false, false}, needs(with.Tasks))
	require.Equal(t, []bool{true}, needs(with.Entries[0].Tasks))
	without := preview.WithGPUs(t.Context(), p, map[string]any{"gpu": false, "cards": false})
	require.Equal(t, []bool{false, false, false, false}, needs(without.Tasks))
	require.Equal(t, []bool{false}, needs(without.Entries[0].Tasks))
	require.Equal(t, []bool{false, false, false, false}, needs(p.Tasks), "p stays as it was")
}
