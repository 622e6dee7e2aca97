package pipelines

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestATasksTextIsLocatedInTheDocument(t *testing.T) {
	p, err := Parse("p.yaml", []byte("tasks:\n  - module: StdOut\n    when: a > b\n    props:\n      msg: \"hello {{ x }}\"\n      args: [a, \"b\\t{{ x }}\"]\n"))
	require.NoError(t, err)
	task := &p.Tasks[0]
	require.Equal(t, Pos{"p.yaml", 5, 22}, task.Positions.Inside("props.msg", 1, 10, task.Pos), "inside the value")
	require.Equal(t, Pos{"p.yaml", 3, 15}, task.Positions.Inside("when", 1, 5, task.Pos))
	require.Equal(t, Pos{"p.yaml", 6, 17}, task.Positions.Inside("props.args[1]", 1, 6, task.Pos), "the source has escapes: the value's place")
	require.Equal(t, Pos{"p.yaml", 5, 7}, task.Positions.Inside("props.msg.deeper", 0, 0, task.Pos), "what it is in")
	require.Equal(t, Pos{"p.yaml", 2, 5}, task.Positions.Inside("nowhere", 1, 1, task.Pos))
}
