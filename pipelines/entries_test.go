package pipelines

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
)

const twoEntries = `params:
  input: {type: string}
entries:
  preview:
    description: A small picture.
    params:
      width: {type: integer, default: 256}
    tasks:
      - {id: a, module: x}
      - {module: y, after: a}
  full-size:
    tasks:
      - {id: a, module: z}
`

func TestAJobSelectsAnEntry(t *testing.T) {
	p, err := Parse("p.yaml", []byte(twoEntries))
	require.NoError(t, err)
	require.Nil(t, p.Tasks)
	require.Equal(t, "A small picture.", p.Entries[0].Description)

	chosen, err := ParseGiven(t.Context(), "p.yaml", []byte(twoEntries), Given{Entry: "preview"})
	require.NoError(t, err)
	require.Equal(t, "preview", chosen.Entry)
	require.Len(t, chosen.Tasks, 2)
	require.Len(t, chosen.Params, 2)
	require.Equal(t, map[string]any{"width": int64(256)}, chosen.State)

	other, err := p.Select("full-size")
	require.NoError(t, err)
	require.Equal(t, "z", other.Tasks[0].Module)
	require.Nil(t, other.State, "the params of one entry are not those of another")
	require.Nil(t, p.State)
}

func TestWithoutAWordTheDocumentsOwnTasksRunOrItsOnlyEntry(t *testing.T) {
	for _, tt := range []struct{ name, src, entry, module string }{
		{"own tasks", "tasks: [{module: own}]\nentries: {a: {tasks: [{module: entry}]}}", "", "own"},
		{"the only entry", "entries: {a: {tasks: [{module: entry}]}}", "a", "entry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ParseGiven(t.Context(), "p", []byte(tt.src), Given{})
			require.NoError(t, err)
			require.Equal(t, tt.entry, p.Entry)
			require.Equal(t, tt.module, p.Tasks[0].Module)
		})
	}
}

func TestAnEntryThatIsNotThereIsRefusedWithThoseThatAre(t *testing.T) {
	for _, tt := range []struct{ name, src, entry, want string }{
		{"a slip", twoEntries, "previw", `p has no entry "previw", did you mean "preview"? It has preview, full-size`},
		{"another name", twoEntries, "x", `p has no entry "x"; it has preview, full-size`},
		{"no name", twoEntries, "", "p has no tasks of its own; name one of its entries: preview, full-size"},
		{"no entries", "tasks: []", "x", `p has no entries, and "x" was asked for; leave entry out`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseGiven(t.Context(), "p", []byte(tt.src), Given{Entry: tt.entry})
			require.EqualError(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestEntriesThatCanNotBeSelectedAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"without tasks", "entries: {a: {}}", `p:1:11: entry "a" has no tasks; add a list of them under tasks`},
		{"a bad name", "entries: {a b: {tasks: []}}", `p:1:11: "a b" can't be an entry's name; use letters, digits, dot, dash and _`},
		{"no map", "entries: {a: [1]}", `p:1:11: entry "a" must be a map with description, params and tasks, got a list`},
		{"an unknown key", "entries: {a: {task: []}}", `an entry has no key "task", did you mean "tasks"?`},
		{"none", "entries: {}", "p:1:1: the pipeline has no tasks; add a list of them under tasks"},
		{
			"a param of all", "params: {w: {}}\nentries: {a: {params: {w: {}}, tasks: []}}",
			`p:2:24: param "w" is declared for all entries on line 1; keep one of them`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p", []byte(tt.src))
			require.ErrorContains(t, err, tt.want)
		})
	}
}
