package standard_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
)

// What another job's files hold, as modules may write it again.
const (
	secretWord   = "MILLSTONE"
	secretColour = "\x12\x34\x56\x12\x34\x56\x12\x34\x56"
	secretNumber = 0.123
)

// shows says whether bytes hold what another job's files do.
func shows(b []byte) bool {
	number := binary.LittleEndian.AppendUint32(nil, math.Float32bits(secretNumber))
	if bytes.Contains(b, []byte(secretWord)) || bytes.Contains(b, number) || bytes.Contains(b, []byte("0.123")) {
		return true
	}
	for at := bytes.Index(b, []byte("\x89PNG")); at >= 0; { // those in a GLB, too
		if m, err := png.Decode(bytes.NewReader(b[at:])); err == nil {
			var all []byte
			for y := range m.Bounds().Dy() {
				for x := range m.Bounds().Dx() {
					r, g, b, _ := m.At(x, y).RGBA()
					all = append(all, byte(r>>8), byte(g>>8), byte(b>>8))
				}
			}
			if bytes.Contains(all, []byte(secretColour)) {
				return true
			}
		}
		next := bytes.Index(b[at+4:], []byte("\x89PNG"))
		if next < 0 {
			break
		}
		at += 4 + next
	}
	return false
}

// another is the folder of another job, beside the workspace.
func another(t *testing.T, c *modules.Call) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(c.Workspace.Real()), "other")
	require.NoError(t, os.Mkdir(dir, 0o755))
	m := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for i := 0; i < len(m.Pix); i += 4 {
		copy(m.Pix[i:], "\x12\x34\x56\xff")
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	vertices := &bytes.Buffer{}
	require.NoError(t, binary.Write(vertices, binary.LittleEndian, []float32{secretNumber, 0, 0, 1, 0.5, 0, 0, 1, 0}))
	for name, text := range map[string]string{
		"secret.png": b.String(), "secret.bin": vertices.String(), "secret.mtl": "newmtl " + secretWord + "\nKd 0.123 0 0\n", "secret.txt": secretWord,
		"secret.usda": "#usda 1.0\n(\n defaultPrim = \"MILLSTONE\"\n)\ndef Mesh \"MILLSTONE\"\n{\n int[] faceVertexCounts = [3]\n int[] faceVertexIndices = [0, 1, 2]\n point3f[] points = [(0.123, 0, 0), (1, 0, 0), (0, 1, 0)]\n}\n",
		"secret.obj":  "o " + secretWord + "\nv 0.123 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-loop", "1", "-t", "1", "-r", "5", "-i", filepath.Join(dir, "secret.png"), "-c:v", "png", filepath.Join(dir, "secret.mkv")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// tricks are the ways to write the name of a file of another job. In them DIR is its folder, UP the way there from the
// workspace, and FILE its name; "link" is a link to it, and "dir" one to its folder.
func tricks() map[string]string {
	return map[string]string{
		"its path": "DIR/FILE", "upwards": "UP/FILE", "through a folder": "./a/../UP/FILE", "a URL": "file://DIR/FILE", "a URL of this machine": "file://localhost/DIR/FILE",
		"a URL without slashes": "file:DIR/FILE", "encoded": "%2e%2e/%2e%2e/..%2f..%2f..%2fDIR/FILE", "encoded twice": "%252e%252e/DIR/FILE", "with backslashes": `..\..\..\..\..\DIR\FILE`,
		"a share": `\\localhost\DIR\FILE`, "a share with slashes": "//localhost/DIR/FILE", "a drive": `C:\DIR\FILE`, "a NUL": "UP/FILE\x00.png", "a link": "link", "through a link": "dir/FILE",
		"of the process": "/proc/self/cwd/UP/FILE", "of the machine": "/etc/passwd", "of a server": "http://169.254.169.254/FILE", "of the alias": "/home/workspace/UP/FILE",
		"of the home": "~/UP/FILE", "of a variable": "$PWD/UP/FILE",
	}
}

// A naming is a file that names another, in place of WHERE; escape writes the name as such a file does.
type naming struct {
	name, file, text string
	names            string // the file that it would take
	escape           func(string) string
	modules          string
	packed           string // the file is in a ZIP, with this name
	few              bool   // what reads it takes long: the tricks that matter
	taken            bool   // AssetConverter takes the same of the job's own files, which shows that this looks at the right place
}

func namings() []naming {
	const (
		documents = "AssetConverter MeshOptimizer ScreenshotGenerator GlbHtmlEmbed glTF-Validator"
		corners   = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n"
		stage     = "#usda 1.0\n(\n defaultPrim = \"w\"\n)\ndef Xform \"w\"\n{\n def Mesh \"m\" {\n int[] faceVertexCounts = [3]\n int[] faceVertexIndices = [0, 1, 2]\n point3f[] points = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]\n }\n"
	)
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(b[1 : len(b)-1])
	}
	plain := func(s string) string { return strings.ReplaceAll(s, "\x00", "") }
	xml := strings.NewReplacer("&", "&amp;", "<", "&lt;", "'", "&apos;", "\x00", "&#0;").Replace
	buffer := `{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0}],"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],` +
		`"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[1,1,1]}],"bufferViews":[{"buffer":0,"byteLength":36}],"buffers":[{"uri":"WHERE","byteLength":36}]}`
	vertices := base64Of("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80?\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80?\x00\x00\x00\x00")
	textured := strings.Replace(strings.Replace(buffer, `"uri":"WHERE"`, `"uri":"data:application/octet-stream;base64,`+vertices+`"`, 1), `{"attributes"`, `{"material":0,"attributes"`, 1)
	textured = strings.Replace(textured, `{"POSITION":0}`, `{"POSITION":0,"TEXCOORD_0":1}`, 1)
	textured = strings.Replace(textured, `"max":[1,1,1]}`, `"max":[1,1,1]},{"bufferView":0,"componentType":5126,"count":3,"type":"VEC2"}`, 1)
	textured = strings.TrimSuffix(textured, "}") + `,"materials":[{"pbrMetallicRoughness":{"baseColorTexture":{"index":0}}}],"textures":[{"source":0}],"images":[{"uri":"WHERE"}]}`
	dae := func(body string) string {
		return `<?xml version="1.0"?><COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1"><asset/>` + body + `</COLLADA>`
	}
	return []naming{
		{"a buffer, glTF", "a.gltf", buffer, "secret.bin", quoted, documents, "", false, true},
		{"a picture, glTF", "a.gltf", textured, "secret.png", quoted, documents, "", false, true},
		{"materials, OBJ", "a.obj", "mtllib WHERE\n" + strings.Replace(corners, "usemtl m", "usemtl "+secretWord[:4]+"X", 1), "secret.mtl", plain, "AssetConverter MeshOptimizer ScreenshotGenerator", "", false, false},
		{"a reference, USD", "a.usda", stage + " def \"x\" (references = @WHERE@)\n {\n }\n}\n", "secret.usda", plain, "AssetConverter usdchecker", "", false, true},
		{"a layer, USD", "a.usda", strings.Replace(stage, "(\n", "(\n subLayers = [@WHERE@]\n", 1) + "}\n", "secret.usda", plain, "AssetConverter usdchecker", "", true, true},
		{"a payload, USD", "a.usda", stage + " def \"x\" (payload = @WHERE@)\n {\n }\n}\n", "secret.usda", plain, "AssetConverter usdchecker", "", true, true},
		{"a picture, DAE", "a.dae", dae(`<library_images><image id="i"><init_from>WHERE</init_from></image></library_images>`), "secret.png", xml, "AssetConverter", "", true, false},
		{"a picture, SVG", "a.svg", `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><image href="WHERE" width="32" height="32"/></svg>`, "secret.png", xml, "ImageMagick FFmpeg ImageInfer", "", false, false},
		{"a drawing, MVG", "a.png", "push graphic-context\nimage over 0,0 32,32 'WHERE'\npop graphic-context\n", "secret.png", plain, "ImageMagick FFmpeg ImageInfer", "", true, false},
		{"a script, MSL", "a.png", `<?xml version="1.0"?><image><read filename="WHERE"/></image>`, "secret.png", xml, "ImageMagick FFmpeg", "", false, false},
		{"a playlist, HLS", "a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nWHERE\n#EXT-X-ENDLIST\n", "secret.mkv", plain, "FFmpeg", "", false, false},
		{"a playlist by another name, HLS", "a.mp4", "\n#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nWHERE\n#EXT-X-ENDLIST\n", "secret.mkv", plain, "FFmpeg", "", false, false},
		{"a playlist, DASH", "a.mpd", `<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>WHERE</BaseURL></Representation></AdaptationSet></Period></MPD>`, "secret.mkv", xml, "FFmpeg", "", false, false},
		{"a list, concat", "a.txt", "ffconcat version 1.0\nfile 'WHERE'\n", "secret.mkv", plain, "FFmpeg", "", false, false},
		{"a list that says nothing of itself", "a.mkv", "file 'WHERE'\n", "secret.mkv", plain, "FFmpeg", "", false, false},
		{"a session, SDP", "a.mp4", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=WHERE\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n", "secret.mkv", plain, "FFmpeg", "", false, false},
		{"a file of a ZIP", "a.zip", "", "secret.obj", plain, "AssetConverter Unzip", "WHERE", false, false},
		{"a link of a ZIP", "a.zip", "WHERE", "secret.obj", plain, "AssetConverter Unzip", "a.obj", false, false},
		{"an asset of a ZIP", "a.zip", "mtllib WHERE\n" + corners, "secret.mtl", plain, "AssetConverter", "a.obj", false, false},
	}
}

// text is the file, with a name in it.
func (n naming) content(t *testing.T, where string) []byte {
	t.Helper()
	fill := strings.NewReplacer("WHERE", n.escape(where)).Replace
	if n.packed == "" {
		return []byte(fill(n.text))
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: fill(n.packed)}
	header.SetMode(0o644)
	if strings.HasPrefix(n.name, "a link") {
		header.SetMode(os.ModeSymlink | 0o777)
	}
	f, err := z.CreateHeader(header)
	require.NoError(t, err)
	_, err = io.WriteString(f, fill(n.text))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// Nothing confines the tools here, as Landlock confines a worker's: what modules let through to them is taken.
func TestWhatAFileNamesOfAnotherJobIsNotTaken(t *testing.T) {
	all := readers()
	for _, n := range namings() {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			c := real(t)
			other := another(t, c)
			root := c.Workspace.Real()
			require.NoError(t, os.Symlink(filepath.Join(other, n.names), filepath.Join(root, "link")))
			require.NoError(t, os.Symlink(other, filepath.Join(root, "dir")))
			was := contents(t, other)
			for trick, where := range tricks() {
				if n.few && !slices.Contains([]string{"its path", "upwards", "a URL", "encoded", "a link"}, trick) {
					continue
				}
				where = strings.NewReplacer("DIR", strings.TrimPrefix(other, "/"), "UP", "../other", "FILE", n.names).Replace(where)
				if trick == "its path" || strings.HasPrefix(trick, "a URL") {
					where = strings.Replace(where, strings.TrimPrefix(other, "/"), other, 1)
				}
				require.NoError(t, c.Workspace.WriteFile(n.file, n.content(t, where)))
				before := map[string]bool{}
				for _, name := range files(t, c) {
					before[name] = true
				}
				for module := range strings.FieldsSeq(n.modules) {
					out, err := all[module].work(t, c, n.file)
					for _, name := range files(t, c) {
						if before[name] {
							continue
						}
						require.NoError(t, err, "%s, %s: what is refused leaves nothing, and there is %s", trick, module, name)
						info, err := c.Workspace.Lstat(name)
						require.NoError(t, err)
						require.Zero(t, info.Mode()&os.ModeSymlink, "%s, %s: a link", trick, module)
						if info.Mode().IsRegular() {
							b, err := c.Workspace.ReadFile(name)
							require.NoError(t, err)
							require.False(t, shows(b), "%s, %s: %s", trick, module, name)
						}
					}
					require.False(t, shows(asJSON(t, out)), "%s, %s: %v", trick, module, out)
					if err != nil {
						require.NotContains(t, err.Error(), secretWord, "%s, %s", trick, module)
					}
					_ = c.Workspace.RemoveAll(all[module].dest)
				}
			}
			require.Equal(t, was, contents(t, other), "nothing is written there")
			if n.taken {
				own, err := os.ReadFile(filepath.Join(other, n.names))
				require.NoError(t, err)
				require.NoError(t, c.Workspace.WriteFile("own/"+n.names, own))
				require.NoError(t, c.Workspace.WriteFile(n.file, n.content(t, "./own/"+n.names)))
				_, err = all["AssetConverter"].work(t, c, n.file)
				require.NoError(t, err)
				b, err := c.Workspace.ReadFile(all["AssetConverter"].dest)
				require.NoError(t, err)
				require.True(t, shows(b))
			}
		})
	}
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// contents are the names and sizes of a folder's files.
func contents(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		all[e.Name()] = info.Size()
	}
	return all
}
