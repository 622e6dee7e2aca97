package job_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
)

func TestParseState(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want map[string]any
	}{
		{"nothing", nil, map[string]any{}},
		{"text", []string{"a=hello world"}, map[string]any{"a": "hello world"}},
		{"JSON text", []string{`a="42"`}, map[string]any{"a": "42"}},
		{"numbers", []string{"a=42", "b=-1.5e3", "c=007"}, map[string]any{"a": int64(42), "b": -1500.0, "c": "007"}},
		{"true, false and null", []string{"a=true,b=false,c=null"}, map[string]any{"a": true, "b": false, "c": nil}},
		{"nothing after =", []string{"a="}, map[string]any{"a": ""}},
		{"a list and a map with commas", []string{`a=[1,"two",true],b={"k":[1,2]},c=3`}, map[string]any{
			"a": []any{int64(1), "two", true}, "b": map[string]any{"k": []any{int64(1), int64(2)}}, "c": int64(3),
		}},
		{"a value with =", []string{"url=https://h/x?y=1&z=2,b=2"}, map[string]any{"url": "https://h/x?y=1&z=2", "b": int64(2)}},
		{"commas in double quotes", []string{`a="x, y",b=say "1, 2" now`}, map[string]any{"a": "x, y", "b": `say "1, 2" now`}},
		{"commas in single quotes", []string{`a='x, y',b='[1,2]'`}, map[string]any{"a": "x, y", "b": []any{int64(1), int64(2)}}},
		{"an escaped quote", []string{`a="x\", y",b=1`}, map[string]any{"a": `x", y`, "b": int64(1)}},
		{"an apostrophe", []string{"a=it's,b=1"}, map[string]any{"a": "it's", "b": int64(1)}},
		{"a quote that is never closed", []string{`a=5",b=1`}, map[string]any{"a": `5"`, "b": int64(1)}},
		{"a bracket that is never closed", []string{"a=[1", "b=:]"}, map[string]any{"a": "[1", "b": ":]"}},
		{"a list that is no JSON", []string{"a=[x,y]"}, map[string]any{"a": "[x,y]"}},
		{"later wins", []string{"a=1,a=2", "a=3"}, map[string]any{"a": int64(3)}},
		{"spaces round a key", []string{"a=1, b=2"}, map[string]any{"a": int64(1), "b": int64(2)}},
		{"a template is text", []string{"a={{ b }}"}, map[string]any{"a": "{{ b }}"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := job.ParseState(tt.args)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestParseStateSaysWhatIsWrongInASentence(t *testing.T) {
	for _, tt := range []struct{ name, arg, want string }{
		{"no =", "name", `state argument 1 has no "=": write key=value`},
		{"a comma without quotes", "a=hello, world", `state argument 1, part 2 has no "=": write key=value, and quotes round a value with a comma`},
		{"no key", "=1", `state argument 1 has no key`},
		{"an empty argument", "", `has no "="`},
		{"a NUL", "a=\x00", "is not text"},
		{"invalid UTF-8", "a=\xff", "is not text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := job.ParseState([]string{tt.arg})
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestHostileStateIsReadInReasonableTime(t *testing.T) {
	const size = 1 << 20
	for _, s := range []string{"[", "]", `"`, `\"`, `="`, "='", `"\`, "{[", ",a="} {
		began := time.Now()
		_, _, _ = job.ParseState([]string{"a=" + strings.Repeat(s, size/len(s))})
		require.Less(t, time.Since(began), 10*time.Second, "%q", s)
	}
}
