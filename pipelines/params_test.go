package pipelines

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
)

const declared = `state: {format: png}
params:
  input: {type: string, required: true, description: The model to convert.}
  width: {type: int, default: 512, enum: [256, 512]}
  ratio: {type: number}
  fast: {type: bool}
  sizes: {type: array, default: [1, 2]}
  extra: {type: object}
  format: {type: str, default: jpg}
  label: {default: "{{ input }}"}
  api_token: {type: string, enum: [abc]}
tasks: []
`

func TestParamsAreDeclaredInTheOrderOfTheText(t *testing.T) {
	p, err := Parse("p.yaml", []byte(declared))
	require.NoError(t, err)
	require.Len(t, p.Params, 9)
	require.Equal(t, Param{
		Name: "input", Type: ParamString, Description: "The model to convert.", Required: true, Pos: Pos{"p.yaml", 3, 3},
	}, p.Params[0])
	require.Equal(t, Param{
		Name: "width", Type: ParamInteger, Default: int64(512), Enum: []any{int64(256), int64(512)}, Pos: Pos{"p.yaml", 4, 3},
	}, p.Params[1])
	require.Equal(t, map[string]any{
		"format": "png", "width": int64(512), "sizes": []any{int64(1), int64(2)}, "label": "{{ input }}",
	}, p.State, "defaults, where the state says nothing itself")
	require.Equal(t, Pos{"p.yaml", 4, 3}, p.Positions["state.width"])
}

func TestWhatAJobGivesIsTurnedIntoTheTypesDeclared(t *testing.T) {
	p, err := Parse("p.yaml", []byte(declared))
	require.NoError(t, err)
	given := map[string]any{
		"input": int64(7), "width": "256", "ratio": " 1.5", "fast": "true", "extra": map[string]any{"a": nil}, "format": nil,
		"other": "stays", "sizes": []any{"x"},
	}
	got, err := p.Bind(given)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"input": "7", "width": int64(256), "ratio": 1.5, "fast": true, "extra": map[string]any{"a": nil}, "other": "stays", "sizes": []any{"x"},
	}, got)
	require.Equal(t, "256", given["width"], "what was given is left as it is")

	got, err = p.Bind(map[string]any{"input": "1.50", "width": 512.0, "ratio": "3"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"input": "1.50", "width": int64(512), "ratio": int64(3)}, got)
}

func TestANumberWhoseTextIsLostIsNoText(t *testing.T) {
	p, err := Parse("p.yaml", []byte("params: {version: {type: string}}\ntasks: []"))
	require.NoError(t, err)
	_, err = p.Bind(map[string]any{"version": 1.5})
	require.EqualError(t, err, `p.yaml:1:10: param "version" must be text, and the job gives 1.5 as a number, of which 1.50 and 1.5 are the same; put it in double quotes`)
}

func TestADefaultThatIsATemplateIsHeldAgainstItsDeclaration(t *testing.T) {
	p, err := Parse("p.yaml", []byte(`
params:
  d: {type: list, default: "{{ 'abc' }}"}
  e: {enum: [x, y], default: "{{ d }}"}
  f: {type: integer, default: "{{ gone }}"}
  g: {type: integer, default: "{{ 4 / 2 }}"}
  own: {type: integer, default: 1}
state: {own: "{{ 'text' }}"}
tasks: []
`))
	require.NoError(t, err)
	comesTo := func(key string) (any, bool) {
		v, ok := map[string]any{"d": "abc", "e": "abc", "f": nil, "g": 2.0, "own": "text"}[key]
		return v, ok
	}
	err = p.HoldDefaults(map[string]any{"e": "x"}, comesTo)
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.EqualError(t, err, `p.yaml:3:3: param "d" must be a list, and its default comes to "abc"; `+
		`p.yaml:7:3: param "own" must be a whole number, and its default comes to "text"`)
	err = p.HoldDefaults(map[string]any{"d": []any{}, "own": int64(1)}, comesTo)
	require.EqualError(t, err, `p.yaml:4:3: param "e" must be one of "x", "y", and its default comes to "abc"`)
	require.NoError(t, p.HoldDefaults(map[string]any{"d": []any{}, "e": "x", "own": int64(1)}, comesTo))
}

func TestAllThatIsWrongWithWhatAJobGivesIsSaidAtOnce(t *testing.T) {
	p, err := Parse("p.yaml", []byte(declared))
	require.NoError(t, err)
	_, err = p.Bind(map[string]any{
		"imput": "a.stl", "width": int64(300), "ratio": "12px", "fast": "yes", "sizes": "1,2", "extra": []any{}, "api_token": "hunter2",
	})
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.EqualError(t, err, `p.yaml:3:3: param "input" (string) is required, and the job gives none: The model to convert. (it gives "imput"; is that what is meant?); `+
		`p.yaml:4:3: param "width" must be one of 256, 512, and the job gives 300; `+
		`p.yaml:5:3: param "ratio" must be a number, and the job gives "12px"; `+
		`p.yaml:6:3: param "fast" must be true or false, and the job gives "yes"; `+
		`p.yaml:7:3: param "sizes" must be a list, and the job gives "1,2"; `+
		`p.yaml:8:3: param "extra" must be a map, and the job gives a list; `+
		`p.yaml:11:3: param "api_token" must be one of "abc", and the job gives text`)
}

func TestARequiredParamMayHaveOthersInItsPlace(t *testing.T) {
	p, err := Parse("p.yaml", []byte(`params:
  src: {type: string, required: true, unless: [object, link], description: Key of the model.}
  object: {type: string}
  link: {}
  bucket: {required: true, unless: link}
tasks: []
`))
	require.NoError(t, err)
	require.Equal(t, []string{"object", "link"}, p.Params[0].Unless)
	for _, given := range []map[string]any{{"src": "a", "bucket": "b"}, {"object": "a", "bucket": "b"}, {"link": "a"}, {"src": "a", "object": "a", "link": "a", "bucket": "b"}} {
		got, err := p.Bind(given)
		require.NoError(t, err)
		require.Equal(t, given, got)
	}
	_, err = p.Bind(map[string]any{"object": nil})
	require.ErrorContains(t, err, `p.yaml:2:3: param "src" (string) is required, or in its place "object" or "link", and the job gives none: Key of the model.`)
	require.ErrorContains(t, err, `p.yaml:5:3: param "bucket" (any) is required, or in its place "link", and the job gives none`)
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestADeclarationThatContradictsItselfIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, param, want string }{
		{"an unknown type", "{type: strng}", `type "strng" is unknown, did you mean "string"?`},
		{"another unknown type", "{type: colour}", `type "colour" is unknown; there are any, string, number, integer, boolean, list, map`},
		{"a default of another type", "{type: integer, default: wide}", `param "a" is a whole number, and its default is "wide"`},
		{"a default that is no choice", "{enum: [x, y], default: z}", `param "a": its default "z" is not in enum`},
		{"choices of another type", "{type: number, enum: [1, two]}", `param "a" is a number, and enum has "two"`},
		{"a choice that is a list", "{enum: [[1]]}", "a value of enum must be text, a number, true or false, got a list"},
		{"a default nobody sees", "{required: true, default: 1}", `param "a" is required, so its default is never used; remove one of the two`},
		{"another in its place that is not needed", "{unless: b}", `param "a" is not required, so unless has no meaning; add required: true`},
		{"itself in its place", "{required: true, unless: a}", `param "a": unless must name other params of this list, and has "a"`},
		{"no param in its place", "{required: true, unless: [b, c]}", `param "a": unless must name other params of this list, and has "c"`},
		{"a map in its place", "{required: true, unless: {b: 1}}", "unless must be a list, got a map"},
		{"a key it has not", "{requried: true}", `a param has no key "requried", did you mean "required"?`},
		{"no map", "string", `param "a" must be a map with type, description, required, unless, default and enum, got "string"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p", []byte("params: {a: "+tt.param+"}\ntasks: []"))
			require.ErrorContains(t, err, tt.want)
		})
	}
	_, err := Parse("p", []byte("params: {__start__: {}}\ntasks: []"))
	require.EqualError(t, err, `p:1:10: param "__start__" is reserved for the operator; give it a name that does not start with __`)
}
