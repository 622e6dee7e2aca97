package pipelines

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
)

func TestTheCatalogueReadsAChangedFileAgain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.yaml")
	write := func(name string, at time.Time) {
		require.NoError(t, os.WriteFile(file, []byte("name: "+name+"\ntasks: []\n"), 0o600))
		require.NoError(t, os.Chtimes(file, at, at))
	}
	c := NewCatalogue(dir)
	then := time.Now().Add(-time.Hour)
	write("one", then)
	first, err := c.Lookup("mine")
	require.NoError(t, err)
	require.Equal(t, "one", first.Name)

	same, err := c.Lookup("mine.yaml")
	require.NoError(t, err)
	require.Same(t, first, same)

	write("two", then.Add(time.Second))
	second, err := c.Lookup("mine")
	require.NoError(t, err)
	require.Equal(t, "two", second.Name)
	require.NotEqual(t, first.Digest, second.Digest)

	write("six", time.Now())
	_, err = c.Lookup("mine")
	require.NoError(t, err)
	write("ten", time.Now())
	last, err := c.Lookup("mine")
	require.NoError(t, err)
	require.Equal(t, "ten", last.Name, "written twice within what a file system can tell apart")

	require.NoError(t, os.Remove(file))
	_, err = c.Lookup("mine")
	require.ErrorContains(t, err, `pipeline "mine" is not in the catalogue`)
}

func TestTheFolderWinsOverWhatIsShipped(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hello_world.json"), []byte(`{"tasks": []}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.yml"), []byte("taks: []\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte("#"), 0o600))
	c := NewCatalogue(dir)

	p, err := c.Lookup("hello_world")
	require.NoError(t, err)
	require.Equal(t, "hello_world.json", p.Source)
	require.Equal(t, "hello_world", p.Name)

	doc, source, digest, err := c.Document("hello_world")
	require.NoError(t, err)
	require.JSONEq(t, `{"tasks": []}`, string(doc))
	require.Equal(t, "hello_world.json", source)
	require.Equal(t, p.Digest, digest)

	_, _, _, err = c.Document("broken")
	require.NoError(t, err, "who runs it says what is wrong with it")
	_, err = c.Lookup("broken")
	_, ok := errors.AsType[*ParseError](err)
	require.True(t, ok)
	require.Equal(t, []string{"broken", "cwd", "gear", "hello_world"}, c.Names())
}

func TestAnUnknownNameGetsASuggestionAndTheList(t *testing.T) {
	c := NewCatalogue("")
	_, err := c.Lookup("helo_world")
	require.EqualError(t, err, `pipeline "helo_world" is not in the catalogue, did you mean "hello_world"? There are cwd, gear, hello_world`)
	require.Equal(t, fault.Permanent, fault.Of(err))
	unknown, ok := errors.AsType[*UnknownError](err)
	require.True(t, ok)
	require.Equal(t, "hello_world", unknown.Closest)
}

func TestANameCanNotLeaveTheFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret.yaml"), []byte("tasks: []"), 0o600))
	c := NewCatalogue(filepath.Join(dir, "pipelines"))
	for _, name := range []string{"../secret", "../secret.yaml", "/etc/passwd", "a/b", `a\b`, ".hidden", "", "-x", "a\x00", "a\nb"} {
		_, err := c.Lookup(name)
		require.ErrorContains(t, err, "can't be a pipeline's name", "%q", name)
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
}
