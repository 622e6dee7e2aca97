package lint_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/lint"
)

// What a module refuses before it touches a file can be said before the run, as far as it is known then.
func TestLintSaysWhatAModuleRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, tasks string
		want        []string
	}{
		{
			"the end of a file's name", "[{module: STL2OBJ, props: {src: a.stl, dst: b.xyz}}]",
			[]string{
				`p.yaml:1:47: task #0: prop "dest" must end in .obj, which is what is written, got "b.xyz"`,
				`p.yaml:1:47: note: task #0: prop "dst" is an older spelling of "dest"`,
			},
		},
		{
			"beside what is not known yet", `[{module: STL2OBJ, props: {src: "{{ env.SRC }}", dest: b.xyz, config: {f: "{{ env.F }}", k: 1}}}]`,
			[]string{
				`p.yaml:1:57: task #0: prop "dest" must end in .obj, which is what is written, got "b.xyz"`,
				`p.yaml:1:97: task #0: prop "config.k" is not an option of this version; the only one is f: obj`,
			},
		},
		{"what is not known yet", `[{module: STL2OBJ, props: {src: "{{ env.SRC }}", dest: "{{ env.DEST }}"}}]`, nil},
		{
			"an address", "[{module: Http, props: {url: 'htp://x'}}]",
			[]string{`p.yaml:1:32: task #0: prop "url" must be an address such as https://example.com/path`},
		},
		{
			"what needs a GPU",
			"[{module: ScreenshotGenerator, props: {src: m.glb, renderer: cycles, config: {use_gpu: true}}}]",
			[]string{
				`p.yaml:1:86: note: task #0: needs a GPU`,
			},
		},
		{
			"what no version takes", "[{module: ScreenshotGenerator, props: {src: m.txt, dest: a.gif}}]",
			[]string{
				`p.yaml:1:59: task #0: prop "dest" is "a.gif", and pictures are .png or .jpg`,
			},
		},
		{
			"a rule over two props, one of them not known yet",
			`[{module: ScreenshotGenerator, props: {src: m.obj, args: ["--width {{ env.W }}"], config: {width: 100000}}},` +
				` {module: Template, props: {template: "{{ env.T }}", dest: a.txt}}]`, nil,
		},
		{"nothing to print", "[{module: StdOut, props: {format: '{{ env.F }}'}}]", []string{`p.yaml:1:26: task #0: prop "message" is missing`}},
		{"something to print", "[{module: StdErr, props: {metadata: {a: 1}}}]", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range lint.Document("p.yaml", []byte("tasks: "+tt.tasks+"\n"), standardOptions(t)) {
				got = append(got, p.String())
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestACallbackThatIsToldNothingPrintsTheEvent(t *testing.T) {
	require.Empty(t, lint.Document("p.yaml", []byte(`tasks: [{module: StdOut, props: {msg: hi}}]
callbacks:
  onStart: [{module: StdErr}]
  onError: [{module: StdOut, props: {format: raw}}, {module: StdOut, props: {msg: "{{ status }}"}}]
`), standardOptions(t)))
}

func TestAParamThatHidesAnotherNameIsToldOfOnce(t *testing.T) {
	require.Equal(t, []string{
		`p.yaml:1:10: warning: param "env" hides what templates call "env"; rename it`,
	}, lintOf(t, "params: {env: {default: x}}\ntasks: [{module: StdOut, props: {msg: '{{ env }}'}}]\n"))
}
