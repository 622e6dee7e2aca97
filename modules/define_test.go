package modules_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
)

type size struct {
	Width int  `json:"width" doc:"Width in pixels."`
	GPU   bool `json:"use_gpu" default:"false" doc:"Use a GPU."`
}

type props struct {
	Src     string            `json:"src" aliases:"source" doc:"File to read."`
	Dest    string            `json:"dest,omitzero" default:"out.bin" doc:"File to write."`
	Format  string            `json:"format" enum:"raw,json" default:"raw" doc:"Format."`
	Ratio   float64           `json:"ratio,omitzero" doc:"Ratio."`
	Level   int8              `json:"level" default:"6" doc:"Level."`
	Count   uint              `json:"count,omitzero" doc:"Count."`
	Quiet   *bool             `json:"quiet" doc:"Quiet."`
	Timeout time.Duration     `json:"timeout" default:"10m" doc:"Timeout."`
	Sleep   time.Duration     `json:"sleep,omitzero" unit:"s" doc:"Sleep."`
	Args    []string          `json:"args,omitzero" doc:"Arguments."`
	Angles  []string          `json:"angles" default:"[\"front\"]" enum:"front,back" doc:"Angles."`
	Headers map[string]string `json:"headers,omitzero" doc:"Headers."`
	Config  map[string]any    `json:"config,omitzero" doc:"Options."`
	Size    size              `json:"size,omitzero" doc:"Size."`
	Key     string            `json:"key,omitzero" secret:"true" doc:"Key."`
	Pins    []int             `json:"pins,omitzero" secret:"true" doc:"Pins."`
	Free    any               `json:"free,omitzero" doc:"Anything."`
	Owner   string            `json:"owner,omitzero" filled:"true" doc:"Owner."`
}

type output struct {
	modules.ToolOutput
	Lines  []string `json:"lines" doc:"Lines."`
	Token  string   `json:"token" secret:"true" doc:"Token."`
	Big    int64    `json:"big" doc:"A large number."`
	Half   float64  `json:"half" doc:"A half."`
	Nested struct {
		Key  string `json:"key" secret:"true" doc:"Key."`
		Open string `json:"open" doc:"Open."`
	} `json:"nested" doc:"Nested."`
}

// capture returns a module that stores the props it was run with.
func capture(into *props) modules.Module {
	return modules.Define(modules.Spec{Name: "Capture", Aliases: []string{"OldCapture"}, Summary: "Stores its props."},
		func(_ context.Context, _ *modules.Call, p props) (struct{}, error) {
			*into = p
			return struct{}{}, nil
		})
}

func decode(t *testing.T, raw map[string]any) props {
	t.Helper()
	var p props
	_, err := capture(&p).Run(t.Context(), &modules.Call{}, raw)
	require.NoError(t, err)
	return p
}

func problems(t *testing.T, raw map[string]any) []string {
	t.Helper()
	var p props
	_, err := capture(&p).Run(t.Context(), &modules.Call{}, raw)
	require.Error(t, err)
	require.Equal(t, fault.Permanent, fault.Of(err))
	pe, ok := errors.AsType[*modules.PropError](err)
	require.True(t, ok)
	var msgs []string
	for _, problem := range pe.Problems {
		msgs = append(msgs, problem.Msg)
	}
	return msgs
}

func TestPropsGetTheirDefaults(t *testing.T) {
	p := decode(t, map[string]any{"src": "in"})
	require.Equal(t, props{
		Src: "in", Dest: "out.bin", Format: "raw", Level: 6, Timeout: 10 * time.Minute, Angles: []string{"front"},
	}, p)
}

func TestPropsTakeEveryTypeAsTemplatesYieldThem(t *testing.T) {
	yes := true
	got := decode(t, map[string]any{
		"source": 12.5, "dest": int64(7), "format": "JSON", "ratio": "0.5", "level": "-3", "count": 3.0,
		"quiet": "true", "timeout": int64(1500), "sleep": 2.5, "args": []any{"-w", int64(1024), true},
		"angles": []string{"back"}, "headers": map[string]any{"X-N": int64(1)},
		"config": map[string]any{"f": "obj", "n": int64(1)}, "size": map[string]any{"width": "640", "use_gpu": "true"},
		"key": "k", "pins": []any{1.0}, "free": []any{"x"},
	})
	require.Equal(t, props{
		Src: "12.5", Dest: "7", Format: "json", Ratio: 0.5, Level: -3, Count: 3, Quiet: &yes,
		Timeout: 1500 * time.Millisecond, Sleep: 2500 * time.Millisecond, Args: []string{"-w", "1024", "true"},
		Angles: []string{"back"}, Headers: map[string]string{"X-N": "1"},
		Config: map[string]any{"f": "obj", "n": int64(1)}, Size: size{Width: 640, GPU: true},
		Key: "k", Pins: []int{1}, Free: []any{"x"},
	}, got)
	require.Equal(t, 10*time.Second, decode(t, map[string]any{"src": "a", "timeout": "10s"}).Timeout)
}

func TestAnOptionalPropThatIsNullOrEmptyCountsAsNotGiven(t *testing.T) {
	p := decode(t, map[string]any{"src": "in", "level": "", "format": nil, "dest": "", "args": "", "quiet": ""})
	require.Equal(t, decode(t, map[string]any{"src": "in"}), p)
}

func TestEveryProblemWithPropsIsASentenceWithItsRemedy(t *testing.T) {
	for _, tt := range []struct {
		name string
		raw  map[string]any
		want []string
	}{
		{"missing", map[string]any{}, []string{`prop "src" is missing`}},
		{"empty", map[string]any{"src": ""}, []string{`prop "src" is empty`}},
		{"null", map[string]any{"src": nil}, []string{`prop "src" is missing`}},
		{"empty, though optional", map[string]any{"src": "a", "owner": ""}, []string{`prop "owner" is empty; give it a value, or leave the prop out`}},
		{"null, though optional", map[string]any{"src": "a", "owner": nil}, []string{`prop "owner" is empty; give it a value, or leave the prop out`}},
		{"a slip", map[string]any{"src": "a", "formta": "raw"}, []string{`prop "formta" is unknown, did you mean "format"?`}},
		{"a slip inside", map[string]any{"src": "a", "size": map[string]any{"widht": 1}}, []string{
			`prop "size.widht" is unknown, did you mean "width"?`, `prop "size.width" is missing`,
		}},
		{
			"far off",
			map[string]any{"src": "a", "size": map[string]any{"width": 1, "samples": 1}},
			[]string{`prop "size.samples" is unknown; known are width, use_gpu`},
		},
		{"twice", map[string]any{"src": "a", "source": "b"}, []string{`prop "src" is given twice, also as "source"; keep one`}},
		{"not an integer", map[string]any{"src": "a", "level": "abc"}, []string{`prop "level" must be an integer, got "abc"`}},
		{"a fraction", map[string]any{"src": "a", "level": 1.5}, []string{`prop "level" must be an integer, got 1.5`}},
		{"too large", map[string]any{"src": "a", "level": 300}, []string{`prop "level" is out of range: 300`}},
		{"below zero", map[string]any{"src": "a", "count": -1}, []string{`prop "count" is out of range: -1`}},
		{"not a number", map[string]any{"src": "a", "ratio": "NaN"}, []string{`prop "ratio" must be a number, got "NaN"`}},
		{"not a bool", map[string]any{"src": "a", "quiet": "yes"}, []string{`prop "quiet" must be true or false, got "yes"`}},
		{"not a duration", map[string]any{"src": "a", "timeout": "soon", "sleep": "-1s"}, []string{
			`prop "timeout" must be a duration such as 10m or a number of milliseconds, got "soon"`,
			`prop "sleep" must be a duration such as 10m or a number of seconds, got "-1s"`,
		}},
		{"not in the enum", map[string]any{"src": "a", "format": "xml"}, []string{`prop "format" must be one of raw, json, got "xml"`}},
		{"not in a list's enum", map[string]any{"src": "a", "angles": []any{"up"}}, []string{`prop "angles[0]" must be one of front, back, got "up"`}},
		{"not a list", map[string]any{"src": "a", "args": "-l"}, []string{`prop "args" must be a list, got "-l"`}},
		{"a list inside", map[string]any{"src": "a", "args": []any{"x", []any{}}}, []string{`prop "args[1]" must be a string, got a list`}},
		{"not a map", map[string]any{"src": "a", "headers": []any{}}, []string{`prop "headers" must be a map, got a list`}},
		{"null inside", map[string]any{"src": "a", "headers": map[string]any{"A": nil}}, []string{`prop "headers.A" must be a string, got null`}},
		{"a secret", map[string]any{"src": "a", "pins": []any{"hunter2"}}, []string{`prop "pins[0]" must be an integer, got other text`}},
		{"all at once", map[string]any{"wdith": 1, "level": "x"}, []string{
			`prop "wdith" is unknown; known are src, dest, format, ratio, level, count, quiet, timeout, sleep, args, angles, headers, config, size, key, pins, free, owner`,
			`prop "src" is missing`, `prop "level" must be an integer, got "x"`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, problems(t, tt.raw)) })
	}
}

func TestCheckPropsLeavesTemplatesAlone(t *testing.T) {
	spec := capture(nil).Spec()
	dynamic := func(v any) bool { return v == "{{ x }}" }
	require.Empty(t, modules.CheckProps(spec, map[string]any{
		"src": "{{ x }}", "level": "{{ x }}", "format": "{{ x }}", "args": []any{"{{ x }}"}, "headers": "{{ x }}",
		"size": map[string]any{"width": "{{ x }}"},
	}, dynamic))
	got := modules.CheckProps(spec, map[string]any{"source": []any{}, "size": map[string]any{"width": "abc"}}, dynamic)
	require.Equal(t, []modules.Problem{
		{Path: "source", Msg: `prop "source" must be a string, got a list`},
		{Path: "size.width", Msg: `prop "size.width" must be an integer, got "abc"`},
	}, got)
}

type pair struct {
	A string `json:"a,omitzero" doc:"A."`
	B string `json:"b,omitzero" doc:"B."`
}

func (p *pair) Validate() error {
	if p.A == "" && p.B == "" {
		return errors.New(`prop "a" or prop "b" must be given`)
	}
	return nil
}

func TestAModulesOwnRulesArePropProblemsToo(t *testing.T) {
	m := modules.Define(modules.Spec{Name: "Pair"}, func(context.Context, *modules.Call, pair) (pair, error) {
		return pair{}, nil
	})
	_, err := m.Run(t.Context(), &modules.Call{}, nil)
	require.EqualError(t, err, `prop "a" or prop "b" must be given`)
	require.Equal(t, fault.Permanent, fault.Of(err))
	_, err = m.Run(t.Context(), &modules.Call{}, map[string]any{"a": "x"})
	require.NoError(t, err)
}

func TestPropsAreCheckedWithoutTheWork(t *testing.T) {
	m := modules.Define(modules.Spec{Name: "Pair"}, func(context.Context, *modules.Call, pair) (pair, error) {
		return pair{}, errors.New("it worked")
	})
	require.EqualError(t, modules.Check(m, nil), `prop "a" or prop "b" must be given`)
	require.EqualError(t, modules.Check(m, map[string]any{"a": "x", "bb": 1}), `prop "bb" is unknown, did you mean "b"?`)
	require.NoError(t, modules.Check(m, map[string]any{"a": "x"}))
}

type ranged struct {
	From int    `json:"from" aliases:"start" doc:"Low."`
	To   int    `json:"to,omitzero" doc:"High."`
	Name string `json:"name,omitzero" doc:"Any."`
}

func (r *ranged) Validate() error {
	var problems []modules.Problem
	if r.From < 0 {
		problems = append(problems, modules.Problem{Path: "from", Msg: "from is below zero"})
	}
	if r.To < r.From {
		problems = append(problems, modules.Problem{Path: "to", Msg: "to is below from", Also: []string{"from"}})
	}
	if r.Name == "bad" {
		problems = append(problems, modules.Problem{Msg: "all is bad"})
	}
	if problems == nil {
		return nil
	}
	return &modules.PropError{Problems: problems}
}

func TestOwnRulesAreHeldAgainstWhatIsKnown(t *testing.T) {
	m := modules.Define(modules.Spec{Name: "Range"}, func(context.Context, *modules.Call, ranged) (ranged, error) {
		return ranged{}, nil
	})
	dynamic := func(v any) bool { return v == "?" }
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  []string
	}{
		{"all known", map[string]any{"from": 2, "to": 1, "name": "bad"}, []string{"to: to is below from", ": all is bad"}},
		{"by an older name", map[string]any{"start": -1, "name": "?"}, []string{"start: from is below zero"}},
		{"a part not known", map[string]any{"from": "?", "to": -1, "name": "bad"}, nil},
		{"wrong by itself first", map[string]any{"from": -1, "too": 1}, []string{`too: prop "too" is unknown, did you mean "to"?`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range modules.CheckKnown(m, tt.props, dynamic) {
				got = append(got, p.Path+": "+p.Msg)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestSecretPropsAreToldBeforeAnythingElse(t *testing.T) {
	var p props
	var told []string
	c := &modules.Call{Secret: func(s string) { told = append(told, s) }}
	_, err := capture(&p).Run(t.Context(), c, map[string]any{"key": "hunter2", "pins": []any{int64(123456)}})
	require.Error(t, err, "src is missing")
	require.Equal(t, []string{"hunter2", "123456"}, told)
}

func TestOutputsKeepIntegersAndLoseSecrets(t *testing.T) {
	m := modules.Define(modules.Spec{Name: "Out"}, func(context.Context, *modules.Call, struct{}) (output, error) {
		var o output
		o.Src, o.Token, o.Big, o.Half = "<in>", "t", 1<<60+1, 0.5
		o.Nested.Key, o.Nested.Open = "k", "o"
		o.Stats = modules.StatsOf(proc.Stats{MaxCPU: 99.5, MaxMem: 1 << 30, Elapsed: 1500 * time.Millisecond})
		return o, nil
	})
	got, err := m.Run(t.Context(), &modules.Call{}, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"src": "<in>", "dest": "", "config": map[string]any{}, "size": "0",
		"stats": map[string]any{"maxcpu": 99.5, "maxmem": int64(1 << 30), "elapsed": int64(1500)},
		"lines": []any{}, "big": int64(1<<60 + 1), "half": 0.5, "nested": map[string]any{"open": "o"},
	}, got)
}

func TestAFailedRunReturnsNoOutput(t *testing.T) {
	m := modules.Define(modules.Spec{Name: "Bad"}, func(context.Context, *modules.Call, struct{}) (output, error) {
		return output{Big: 1}, errors.New("boom")
	})
	got, err := m.Run(t.Context(), &modules.Call{}, nil)
	require.EqualError(t, err, "boom")
	require.Nil(t, got)
}

// states is a modules.State that notes what is set.
type states map[string]any

func (s states) Get(path string) (any, bool) { v, ok := s[path]; return v, ok }
func (s states) Set(name string, v any)      { s[name] = v }

func TestAToolStoresItsOutputUnderResultKeyToo(t *testing.T) {
	fail := errors.New("broken")
	var err error
	type config struct {
		Src string `json:"src" doc:"File to read."`
	}
	tool := modules.Define(modules.Spec{Name: "Tool"}, func(_ context.Context, _ *modules.Call, p config) (output, error) {
		return output{ToolOutput: modules.ToolOutput{Src: p.Src}}, err
	})
	state := states{}
	out, rerr := tool.Run(t.Context(), &modules.Call{State: state}, map[string]any{"src": "a", "resultKey": "report"})
	require.NoError(t, rerr)
	require.Equal(t, "a", out["src"])
	require.Equal(t, states{"report": out}, state)

	_, rerr = tool.Run(t.Context(), &modules.Call{State: state}, map[string]any{"src": "a"})
	require.NoError(t, rerr)
	err = fail
	_, rerr = tool.Run(t.Context(), &modules.Call{State: state}, map[string]any{"src": "a", "resultKey": "other"})
	require.ErrorIs(t, rerr, fail)
	require.Len(t, state, 1, "no key is given, and there is no output")

	var p props
	_, rerr = capture(&p).Run(t.Context(), &modules.Call{State: state}, map[string]any{"src": "a", "resultKey": "r"})
	require.ErrorContains(t, rerr, `prop "resultKey" is unknown`, "it is no tool")
}
