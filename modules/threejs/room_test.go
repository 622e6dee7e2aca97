package threejs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/threejs"
	"github.com/millrace/millrace/modules/tool"
)

// baked is the room as three.js makes it.
func baked(t *testing.T) []byte {
	t.Helper()
	own := t.TempDir()
	page := filepath.Join(own, "bake.html")
	text := "<body><script>" + string(threejs.Script()) + "document.body.textContent = '<<' + new Millrace.Painter().bake().join('|') + '>>';</script>"
	require.NoError(t, os.WriteFile(page, []byte(text), 0o600))
	found, err := moduletest.Tools(t).Find(t.Context(), tool.Chromium())
	require.NoError(t, err)
	browser := exec.CommandContext(t.Context(), found.Path, "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--user-data-dir="+own,
		"--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist", "--dump-dom", "file://"+page)
	browser.Env = append(os.Environ(), "HOME="+own, "TMPDIR="+own)
	dom, err := browser.Output()
	require.NoError(t, err)
	_, dom, _ = bytes.Cut(dom, []byte("&lt;&lt;"))
	dom, _, _ = bytes.Cut(dom, []byte("&gt;&gt;"))
	var room []byte
	for level := range bytes.SplitSeq(dom, []byte("|")) {
		pixels, err := base64.StdEncoding.DecodeString(string(level))
		require.NoError(t, err)
		room = append(room, pixels...)
	}
	return room
}

// source is the hash of what makes the room.
func source(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	for _, name := range []string{"examples/jsm/environments/RoomEnvironment.js", "src/extras/PMREMGenerator.js"} {
		text, err := os.ReadFile(packages + "three/" + name)
		require.NoError(t, err)
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Making a room takes a browser without a GPU seconds, so it is made where what makes it has changed.
func TestTheRoomIsTheOneThatThreeMakes(t *testing.T) {
	const from = "testdata/room.sha256"
	if *update {
		write(t, threejs.RoomFile, threejs.PackRoom(baked(t)))
		require.NoError(t, os.WriteFile(from, []byte(source(t)+"\n"), 0o644))
		return
	}
	want, err := os.ReadFile(from)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), source(t), "three changed: go test ./modules/threejs -update, twice")
}

func TestARoomIsUnpackedAsItWasPacked(t *testing.T) {
	room := threejs.Room()
	require.Len(t, room, 8*6*(256*256+128*128+64*64+32*32+16*16+8*8))
	require.Equal(t, []byte{0x00, 0x3c}, room[6:8], "it is opaque")
	require.Equal(t, room, threejs.UnpackRoom(threejs.PackRoom(room)))
}
