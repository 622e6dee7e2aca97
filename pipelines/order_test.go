package pipelines

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gpu"
)

func TestTasksComeAfterWhatTheyName(t *testing.T) {
	for _, tt := range []struct {
		name, tasks string
		want        [][]int
	}{
		{"nothing said: one after the other", "[{module: x}, {module: x}, {module: x}]", [][]int{nil, {0}, {1}}},
		{"an empty list starts at once", "[{module: x}, {module: x, after: []}, {module: x}]", [][]int{nil, nil, {1}}},
		{"nothing after the key starts at once", "[{module: x}, {module: x, after: }]", [][]int{nil, nil}},
		{"by name", "[{name: a b, module: x}, {module: x}, {module: x, after: a b}]", [][]int{nil, {0}, {0}}},
		{"an id before a name", "[{name: a, module: x}, {id: a, module: x}, {module: x, after: a}]", [][]int{nil, {0}, {1}}},
		{
			"a list, in any order, each once", "[{id: 1, module: x}, {id: 2, module: x}, {module: x, depends_on: [2, 1, '2']}]",
			[][]int{nil, {0}, {0, 1}},
		},
		{"commas part text", "[{id: a, module: x}, {id: b, module: x, after: []}, {module: x, dependsOn: ' b , a,'}]", [][]int{nil, nil, {0, 1}}},
		{"a name may have a comma", "[{name: 'a, b', module: x}, {module: x, after: []}, {module: x, after: 'a, b'}]", [][]int{nil, nil, {0}}},
		{"a later task of the text", "[{id: a, module: x, after: b}, {id: b, module: x, after: []}]", [][]int{{1}, nil}},
		{"a template by its source", "[{name: 'make {{ what }}', module: x}, {module: x, after: ['make {{ what }}']}]", [][]int{nil, {0}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse("p", []byte("tasks: "+tt.tasks))
			require.NoError(t, err)
			var got [][]int
			for _, task := range p.Tasks {
				got = append(got, task.After)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestAnOrderThatCanNotBeIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, src, want string
	}{
		{
			"an unknown name", "tasks:\n  - {name: Render, module: x}\n  - {module: x, after: Rendr}",
			`p:3:24: after: no task has the id or name "Rendr", did you mean "Render"?`,
		},
		{
			"two tasks of one name", "tasks:\n  - {name: a, module: x}\n  - {name: a, module: x}\n  - {module: x, after: [a]}",
			`p:4:25: after: "a" is the name of the tasks on lines 2 and 3; give the one that is meant an id`,
		},
		{"itself", "tasks:\n  - {id: a, module: x, after: a}", `p:2:31: after: the task can't come after itself; remove "a"`},
		{
			"two ids alike", "tasks:\n  - {id: a, module: x}\n  - {id: a, module: x}",
			`p:3:6: id "a" is already that of the task on line 2; ids are unique`,
		},
		{
			"a circle", "tasks:\n  - {id: a, module: x, after: c}\n  - {id: b, module: x, after: a}\n  - {name: c, module: x, depends_on: b}",
			`p:2:5: tasks wait for each other in a circle: a (p:2:5) → c (p:4:5) → b (p:3:5) → a, and none of them can start`,
		},
		{
			"a circle through the order of the text", "tasks:\n  - {id: a, module: x, after: b}\n  - {id: b, module: x}",
			`p:2:5: tasks wait for each other in a circle: a (p:2:5) → b (p:3:5) → a, and none of them can start; a task without after comes after the one before it`,
		},
		{"both spellings", "tasks:\n  - {module: x, after: [], depends_on: []}", `p:2:28: depends_on and after are the same key; keep one of them`},
		{"a map", "tasks:\n  - {module: x, after: {a: b}}", `p:2:17: after must be the id or name of a task, or a list of them, got a map`},
		{"a list in a list", "tasks:\n  - {module: x, after: [[a]]}", `p:2:25: after must be text, got a list`},
		{"an entry of nothing", "tasks:\n  - {module: x, after: [~]}", `p:2:25: after has an entry that names no task; remove it`},
		{"an id of two lines", "tasks:\n  - {module: x, id: \"a\\nb\"}", `p:2:17: id "a\nb" can't be used; write at most 128 characters on one line`},
		{"no task at once", "settings: {parallel: 0}\ntasks: []", `p:1:12: parallel must be a whole number of tasks from 1 to 64, got 0`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p", []byte(tt.src))
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestALongCircleIsNamedInShort(t *testing.T) {
	var src strings.Builder
	src.WriteString("tasks:\n  - {id: t0, module: x, after: t4999}\n")
	for i := 1; i < 5000; i++ {
		fmt.Fprintf(&src, "  - {id: t%d, module: x}\n", i)
	}
	_, err := Parse("p", []byte(src.String()))
	require.ErrorContains(t, err, "t0 (p:2:5) → t4999 (p:5001:5) → ")
	require.ErrorContains(t, err, "→ … 4988 more … → t0, and none")
	require.Less(t, len(err.Error()), 1000)
}

func TestAGPUIsAskedForInThreeWays(t *testing.T) {
	for _, tt := range []struct {
		name, gpu string
		want      *gpu.Need
	}{
		{"true", "true", &gpu.Need{Use: gpu.Required, Count: 1}},
		{"a number", "2", &gpu.Need{Use: gpu.Required, Count: 2}},
		{"false", "false", &gpu.Need{Use: gpu.None}},
		{"none", "0", &gpu.Need{Use: gpu.None}},
		{"nothing", "", nil},
		{"a map", "{count: 2, memory: 16Gi, capability: 8.0, encoder: true}", &gpu.Need{Use: gpu.Required, Count: 2, Memory: 16 << 30, Capability: "8.0", Encoder: true}},
		{"as much as it can get", "preferred", &gpu.Need{Use: gpu.Preferred, Count: 1}},
		{"in words", "required", &gpu.Need{Use: gpu.Required, Count: 1}},
		{"none in words", "none", &gpu.Need{Use: gpu.None}},
		{"a use and a number", "{use: preferred, count: 2}", &gpu.Need{Use: gpu.Preferred, Count: 2}},
		{"bytes", "{memory: 1000}", &gpu.Need{Use: gpu.Required, Count: 1, Memory: 1000}},
		{"decimal bytes", "{memory: 1.5 GB, capability: 9}", &gpu.Need{Use: gpu.Required, Count: 1, Memory: 1_500_000_000, Capability: "9.0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse("p", []byte("tasks: [{module: x, gpu: "+tt.gpu+"}]"))
			require.NoError(t, err)
			require.Equal(t, tt.want, p.Tasks[0].GPU)
		})
	}
	for _, tt := range []struct{ gpu, want string }{
		{"yes", `gpu must be required, preferred, none, true, a number of GPUs, or a map with use, count, memory, capability, encoder, got "yes"`},
		{"65", "gpu must be a whole number of GPUs from 1 to 64, got 65"},
		{"{use: perhaps}", `use must be required, preferred or none, got "perhaps"`},
		{"{count: 0}", "count must be a whole number of GPUs from 1 to 64, got 0"},
		{"{memory: lots}", `memory must be a number of bytes, or a size such as 16Gi, got "lots"`},
		{"{memory: 16Xi}", `memory must be a number of bytes, or a size such as 16Gi, got "16Xi"`},
		{"{memory: -1}", `memory must be a number of bytes, or a size such as 16Gi, got -1`},
		{"{capability: Ampere}", `capability must be a CUDA compute capability such as 8.0, got "Ampere"`},
		{"{memmory: 1}", `gpu has no key "memmory", did you mean "memory"?`},
	} {
		_, err := Parse("p", []byte("tasks: [{module: x, gpu: "+tt.gpu+"}]"))
		require.ErrorContains(t, err, tt.want, tt.gpu)
	}
}
