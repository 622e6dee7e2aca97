package pipelines

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	for _, other := range []string{"README.md", "broken.test.yaml", ".hidden.yaml", "_draft.yaml"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, other), []byte("tasks: []"), 0o600))
	}
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
	require.Subset(t, c.Names(), []string{"broken", "cwd", "hello_world"})
	_, err = c.Lookup("broken.test")
	require.EqualError(t, err, `"broken.test" is the name of a pipeline's tests, which are no pipeline; leave .test out`)
}

func TestAllListsWhatDoesNotParseWithItsError(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine.yml")
	require.NoError(t, os.WriteFile(mine, []byte("description: Mine.\ntasks: []\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.yaml"), []byte("taks: []\n"), 0o600))
	byName := map[string]Listed{}
	for _, l := range NewCatalogue(dir).All() {
		byName[l.Name] = l
	}
	require.Equal(t, Listed{
		Name: "mine", Source: FromFolder, Path: mine,
		Digest: Digest([]byte("description: Mine.\ntasks: []\n")), Description: "Mine.",
	}, byName["mine"])
	require.ErrorContains(t, byName["broken"].Err, `did you mean "tasks"?`)
	require.NotEmpty(t, byName["broken"].Digest)
	require.Equal(t, Shipped, byName["hello_world"].Source)
	require.Equal(t, "hello_world.yaml", byName["hello_world"].Path)
}

// A kubelet writes a ConfigMap into a folder of its own and then renames a link to it over the link ..data, which the
// files' links lead through.
func TestAllListsFilesThatNoJobCanAskFor(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b.yaml", "_x.json", "ok.yaml", "ok.test.yaml", "p.schema.json", ".hidden.yaml", "notes.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("tasks: []"), 0o600))
	}
	var got []string
	for _, l := range NewCatalogue(dir).All() {
		if l.Source == FromFolder && l.Err != nil {
			require.ErrorContains(t, l.Err, "can't be a pipeline's name")
			got = append(got, l.Name)
		}
	}
	require.Equal(t, []string{"_x.json", "a b.yaml"}, got)
}

func TestAConfigMapIsSeenWholeWhileItIsSwitched(t *testing.T) {
	dir := t.TempDir()
	pad := strings.Repeat("# a long document is read in pieces\n", 2000)
	publish := func(n int) {
		folder := fmt.Sprintf("..%d", n)
		require.NoError(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
		text := fmt.Sprintf("name: v%d\n%sdescription: v%d\ntasks: []\n", n, pad, n)
		require.NoError(t, os.WriteFile(filepath.Join(dir, folder, "mine.yaml"), []byte(text), 0o600))
		require.NoError(t, os.Symlink(folder, filepath.Join(dir, "..tmp")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
		if n > 0 {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..%d", n-1))))
		}
	}
	publish(0)
	require.NoError(t, os.Symlink(filepath.Join("..data", "mine.yaml"), filepath.Join(dir, "mine.yaml")))
	c := NewCatalogue(dir)
	const versions = 200
	switched := make(chan struct{})
	torn := make(chan error, 1)
	go func() {
		for {
			p, err := c.Lookup("mine")
			if err == nil && p.Name != p.Description {
				err = fmt.Errorf("the head of %s and the end of %s", p.Name, p.Description)
			}
			select {
			case <-switched:
				torn <- err
				return
			default:
			}
			if err != nil {
				torn <- err
				return
			}
		}
	}()
	for n := 1; n <= versions; n++ {
		publish(n)
	}
	close(switched)
	require.NoError(t, <-torn)
	p, err := c.Lookup("mine")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("v%d", versions), p.Name)
	require.NotContains(t, c.Names(), "..data")
}

func TestAnUnknownNameGetsASuggestionAndTheList(t *testing.T) {
	c := NewCatalogue("")
	_, err := c.Lookup("helo_world")
	require.EqualError(t, err, `pipeline "helo_world" is not in the catalogue, did you mean "hello_world"? There are `+strings.Join(c.Names(), ", "))
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
