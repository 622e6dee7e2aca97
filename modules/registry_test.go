package modules_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
)

func named(name string, aliases ...string) modules.Module {
	return modules.Define(modules.Spec{Name: name, Aliases: aliases}, func(context.Context, *modules.Call, struct{}) (struct{}, error) {
		return struct{}{}, nil
	})
}

func TestARegistryFindsModulesByNameAndAlias(t *testing.T) {
	r, err := modules.NewRegistry(named("Zip"), named("AssetConverter", "GlTFConverter"))
	require.NoError(t, err)
	m, ok := r.Lookup("GlTFConverter")
	require.True(t, ok)
	require.Equal(t, "AssetConverter", m.Spec().Name)
	_, ok = r.Lookup("zip")
	require.False(t, ok)
	require.Equal(t, "Zip", r.Suggest("zip"))
	require.Equal(t, "AssetConverter", r.Suggest("AsetConvertor"))
	require.Empty(t, r.Suggest("Blender"))
	var names []string
	for m := range r.All() {
		names = append(names, m.Spec().Name)
	}
	require.Equal(t, []string{"AssetConverter", "Zip"}, names)
}

func TestARegistryReportsEveryNameThatIsTakenTwice(t *testing.T) {
	_, err := modules.NewRegistry(named("A", "B"), named("B"), named("C", "A"))
	require.EqualError(t, err, `module name "B" of B is taken by A`+"\n"+`module name "A" of C is taken by A`)
}

func TestClosestFindsSlipsAndNothingElse(t *testing.T) {
	for _, tt := range []struct{ name, word, want string }{
		{"swapped letters", "widht", "width"},
		{"a letter missing", "heigt", "height"},
		{"another case", "WIDTH", "width"},
		{"something else", "colour", ""},
		{"a short word", "x", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, modules.Closest(tt.word, []string{"width", "height", "src"}))
		})
	}
	long := strings.Repeat("x", 100)
	require.Empty(t, modules.Closest(long+"y", []string{long}), "a word that nobody typed")
	require.Empty(t, modules.Closest("widht", append(make([]string, 1000), "width")), "a list that nobody wrote")
}
