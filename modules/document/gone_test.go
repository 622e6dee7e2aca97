package document_test

import (
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/document"
)

func TestAFolderThatIsGoneIsNotOneWithoutTheDocument(t *testing.T) {
	f := document.NewFolder(document.Config{Dir: filepath.Join(t.TempDir(), "gone"), Defaults: fstest.MapFS{"a.txt": {Data: []byte("ours")}}})
	_, err := f.Open("a.txt")
	require.ErrorContains(t, err, "a.txt: the folder of documents can't be read: ")
}
