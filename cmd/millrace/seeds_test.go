//go:build linux

package main_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "image/jpeg"
	_ "image/png"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/servertest"
)

// models is where Debian's assimp-testmodels lie.
const models = "/usr/share/assimp/models/"

// A gallery is a warehouse with a Google Cloud Storage beside it, in which the pipelines that other systems ship run on real files.
type gallery struct {
	*warehouse
	gcs string
}

func newGallery(t *testing.T) *gallery {
	t.Helper()
	t.Parallel()
	s := &gallery{warehouse: newWarehouse(t), gcs: servertest.GCS(t)}
	s.limit = 3 * time.Minute // Blender and Chromium, beside all other tests
	tools, err := filepath.Abs(repository + ".tools")
	require.NoError(t, err)
	s.env = append(s.env, "MILLRACE_GCS_ENDPOINT="+s.gcs, "MILLRACE_TOOLS="+tools)
	return s
}

// run runs a pipeline to its end, as on a machine that may have no GPU, and returns all it says.
func (s *gallery) run(pipeline string, state ...string) string {
	s.t.Helper()
	r := s.millrace(append([]string{"run", pipeline, "--gpu=preferred", "--workspace", s.dir}, state...)...)
	require.Zero(s.t, r.code, "%s%s", r.stdout, r.stderr)
	return r.stdout + r.stderr
}

// file is a file of the test models.
func file(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(models + name)
	require.NoError(t, err, "`make tools` installs it")
	return string(b)
}

// zipped is an archive of files of the test models, under their base names.
func zipped(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(filepath.Base(name))
		require.NoError(t, err)
		_, err = io.WriteString(f, file(t, name))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String()
}

// object is what lies in the bucket.
func (s *gallery) object(key string) []byte {
	s.t.Helper()
	out, err := s.s3.GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(key)})
	require.NoError(s.t, err, key)
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	require.NoError(s.t, err)
	return b
}

// glb opens a GLB of the bucket and returns what it holds.
func (s *gallery) glb(key string) glb.Measures {
	s.t.Helper()
	doc, err := glb.Read(bytes.NewReader(s.object(key)), glb.Source{})
	require.NoError(s.t, err, key)
	return doc.Count()
}

// is says that an object of the bucket is of a kind, whatever it is called.
func (s *gallery) is(kind blender.Format, key string) {
	s.t.Helper()
	b := s.object(key)
	require.Equal(s.t, kind, blender.Sniff(b[:min(len(b), blender.HeadLen)], int64(len(b))), key)
}

// shows says that a picture is so large, and shows something.
func shows(t *testing.T, picture []byte, width, height int) {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(picture))
	require.NoError(t, err)
	require.Equal(t, image.Pt(width, height), img.Bounds().Size())
	colors := map[any]bool{}
	for y := range height {
		for x := range width {
			colors[img.At(x, y)] = true
		}
	}
	require.Greater(t, len(colors), 8, "it is blank")
}

// validUSDZ has OpenUSD's own validators look at a USDZ of the bucket.
func (s *gallery) validUSDZ(key string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "look.usdz"), s.object(key), 0o600))
	s.write("look.yaml", "tasks:\n  - {module: usdchecker, props: {src: look.usdz, dest: look.json}, register: looked}\n  - {module: StdOut, props: {msg: \"{{ looked.verdict }}\"}}\n")
	require.Contains(s.t, s.run("look.yaml"), "pass")
}

func (s *gallery) validZip(key string, ends ...string) {
	s.t.Helper()
	b := s.object(key)
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	require.NoError(s.t, err)
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	for _, end := range ends {
		require.Contains(s.t, strings.Join(names, "\n")+"\n", end+"\n")
	}
}

func TestThePipelineStlToGlbRuns(t *testing.T) {
	s := newGallery(t)
	s.put("parts/spider.stl", file(t, "STL/Spider_binary.stl"))
	s.run("stl_to_glb", "bucket="+s.bucket, "object=parts/spider.stl", "dest=web/spider.glb", "tris=600")
	require.InDelta(t, 600, s.glb("web/spider.glb").Triangles, 12)
}

func TestThePipelineObjToGlbRuns(t *testing.T) {
	s := newGallery(t)
	s.put("box.obj", file(t, "OBJ/box.obj"))
	s.run("obj_to_glb", "bucket="+s.bucket, "src=/box.obj")
	require.EqualValues(t, 12, s.glb("box.glb").Triangles)
}

func TestThePipelineS3Obj2glbRuns(t *testing.T) {
	s := newGallery(t)
	s.put("in/spider.zip", zipped(t, "OBJ/spider.obj", "OBJ/spider.mtl", "OBJ/wal67ar_small.jpg", "OBJ/wal69ar_small.jpg", "OBJ/SpiderTex.jpg", "OBJ/drkwood2.jpg", "OBJ/engineflare1.jpg"))
	s.run("s3_obj2glb", "bucket="+s.bucket, "prefix=in", "name=spider", "max_tex_size=64")
	got := s.glb("in/spider.optimized.glb")
	require.Positive(t, got.Triangles)
	require.NotEmpty(t, got.Pictures, "its materials have textures")
	for _, p := range got.Pictures {
		require.LessOrEqual(t, max(p.Width, p.Height), 64)
	}
}

func TestThePipelineOtherRuns(t *testing.T) {
	s := newGallery(t)
	s.put("assets/box.glb", file(t, "glTF2/BoxTextured-glTF-Binary/BoxTextured.glb"))
	s.run("other", "bucket="+s.bucket, "prefix=assets", "name=box")
	require.EqualValues(t, 12, s.glb("assets/box.optimized.glb").Triangles)
	s.is(blender.FBX, "assets/box.optimized.fbx")
	s.validUSDZ("assets/box.optimized.usd") // a USDZ, whatever the pipeline has always called it
	s.validZip("assets/box.optimized.zip", ".obj", ".mtl", ".png")
}

func TestTheCADPipelinesRunOnWhatNeedsNoCADKernel(t *testing.T) {
	for pipeline, input := range map[string]string{"stl_cad_to_glb": "spider.stl", "zip_cad_to_glb": "spider.zip"} {
		t.Run(pipeline, func(t *testing.T) {
			s := newGallery(t)
			if input == "spider.zip" {
				s.put("7/inputs/"+input, zipped(t, "STL/Spider_binary.stl"))
			} else {
				s.put("7/inputs/"+input, file(t, "STL/Spider_binary.stl"))
			}
			s.run(pipeline, "stagingBucket="+s.bucket, "stagingInputPrefix=7/inputs", "stagingOutputPrefix=7/outputs", "inputFilename="+input, "size=256", "tris=1000")
			require.InDelta(t, 1000, s.glb("7/outputs/optimized_spider.glb").Triangles, 20)
			s.is(blender.FBX, "7/outputs/optimized_spider.fbx")
			s.validUSDZ("7/outputs/optimized_spider.usdz")
			s.validZip("7/outputs/optimized_spider.zip", ".obj")
			shows(t, s.object("7/outputs/optimized_spider.png"), 256, 256)
			require.Contains(t, string(s.object("7/outputs/optimized_spider.html")), "Z2xURg", "the page holds the model")
		})
	}
}

func TestACADFileIsRefusedByName(t *testing.T) {
	s := newGallery(t)
	s.put("part.step", "ISO-10303-21;\nHEADER;\nENDSEC;\nEND-ISO-10303-21;\n")
	r := s.millrace("run", "stl_cad_to_glb", "stagingBucket="+s.bucket, "inputFilename=part.step", "--workspace", s.dir)
	require.NotZero(t, r.code)
	require.Contains(t, r.stdout+r.stderr, "STEP")
	require.NotContains(t, r.stdout+r.stderr, "Optimise", "nothing runs after it")
}

func TestModulesThatAreAVendorsOwnAreRefusedByName(t *testing.T) {
	p := newPlace(t)
	for _, name := range []string{"VntanaGatherDetails", "VntanaMetrics", "VntanaModelData"} {
		p.write("vendor.yaml", "tasks:\n  - {module: StdOut, props: {msg: done}}\n  - {module: "+name+"}\n")
		r := p.millrace("run", "vendor.yaml")
		require.Equal(t, 1, r.code)
		require.Regexp(t, `vendor.yaml:3:[0-9]+: .*"`+name+`"`, r.stderr)
		require.NotContains(t, r.stdout, "done", "nothing runs before it is said")
		require.Len(t, strings.Split(strings.TrimSpace(r.stderr), "\n"), 1, r.stderr)
	}
}

func TestThePipelineAdvancedOptimizationRuns(t *testing.T) {
	s := newGallery(t)
	s.cloud("source-"+s.bucket, "complex-model.fbx", file(t, "FBX/phong_cube.fbx"))
	said := s.run("advanced_optimization", "gcp_bucket=source-"+s.bucket, "aws_bucket="+s.bucket)
	require.EqualValues(t, 12, s.glb("optimized/complex-model.glb").Triangles)
	shows(t, s.object("thumbnails/complex-model.png"), 512, 512)
	require.Contains(t, said, "optimizing complex-model.fbx")
}

func TestThePipelineGpuRenderingDrawsWithoutAGPUAndSaysSo(t *testing.T) {
	s := newGallery(t)
	s.put("box.glb", file(t, "glTF2/BoxTextured-glTF-Binary/BoxTextured.glb"))
	said := s.run("gpu_rendering", "bucket="+s.bucket, "asset=box.glb", "width=320", "height=200")
	shows(t, s.object("box.glb.png"), 320, 200)
	require.Contains(t, said, `task "Render" runs on the CPU: `)
}

func TestThePipelineBatchRunsOnThreeFormats(t *testing.T) {
	s := newGallery(t)
	for name, from := range map[string]string{"model1.fbx": "FBX/box.fbx", "model2.obj": "OBJ/box.obj", "model3.dae": "Collada/cube_triangulate.dae"} {
		s.write(name, file(t, from))
	}
	s.run("batch")
	for i := range 3 {
		doc, err := os.Open(filepath.Join(s.dir, fmt.Sprintf("model%d.glb", i+1)))
		require.NoError(t, err)
		got, err := glb.Read(doc, glb.Source{})
		require.NoError(t, err)
		require.NoError(t, doc.Close())
		require.EqualValues(t, 12, got.Count().Triangles, i)
	}
}

func TestThePipelineCurlFetchesAFile(t *testing.T) {
	s := newGallery(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "solid part") }))
	t.Cleanup(server.Close)
	s.run("curl", "link="+server.URL+"/part.stl", "dest=part.stl")
	b, err := os.ReadFile(filepath.Join(s.dir, "part.stl"))
	require.NoError(t, err)
	require.Equal(t, "solid part", string(b))
}

// cloud makes a bucket of Google's with an object.
func (s *gallery) cloud(bucket, key, body string) {
	s.t.Helper()
	for _, call := range []struct{ url, kind, body string }{
		{s.gcs + "/storage/v1/b", "application/json", `{"name": "` + bucket + `"}`},
		{s.gcs + "/upload/storage/v1/b/" + bucket + "/o?uploadType=media&name=" + url.QueryEscape(key), "application/octet-stream", body},
	} {
		resp, err := http.Post(call.url, call.kind, strings.NewReader(call.body))
		require.NoError(s.t, err)
		require.NoError(s.t, resp.Body.Close())
		require.Equal(s.t, http.StatusOK, resp.StatusCode, call.url)
	}
}

// fetched is an object of Google's.
func (s *gallery) fetched(bucket, key string) []byte {
	s.t.Helper()
	resp, err := http.Get(s.gcs + "/storage/v1/b/" + bucket + "/o/" + url.PathEscape(key) + "?alt=media")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, resp.StatusCode, key)
	return b
}

// film is what ffprobe says of a video: codec, width, height and frames.
func film(t *testing.T, video []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "video")
	require.NoError(t, os.WriteFile(name, video, 0o600))
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0",
		"-show_entries", "stream=codec_name,width,height,nb_read_frames", "-of", "csv=p=0", name).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

func TestAGatewaysMessageRuns(t *testing.T) {
	s := newGallery(t)
	document, err := filepath.Abs("testdata/gateway.yaml")
	require.NoError(t, err)
	bucket := "assets-" + s.bucket
	s.cloud(bucket, "model-77aa-02.glb", file(t, "glTF2/BoxTextured-glTF-Binary/BoxTextured.glb"))
	var told []string // in order: callbacks run in one queue
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told = append(told, string(body))
	}))
	t.Cleanup(server.Close)
	s.run(document, "progressUrl="+server.URL, "bucket="+bucket, "rendersWidth=54", "rendersHeight=96", "turntableWidth=72", "turntableHeight=128", "turntableFrames=3", "framerate=3")
	shows(t, s.fetched(bucket, "render-0-77aa-02.png"), 54, 96)
	shows(t, s.fetched(bucket, "render-5-77aa-02.png"), 54, 96)
	require.Equal(t, "h264,144,256,3", film(t, s.fetched(bucket, "turntable-77aa-02.mp4")))
	require.Regexp(t, `^gif,72,128,[1-9]`, film(t, s.fetched(bucket, "turntable-77aa-02.gif")))
	require.Len(t, told, 2)
	require.JSONEq(t, `{"actionUuid": "4f0c-11", "status": "ACTION_RUNNING"}`, told[0])
	require.JSONEq(t, `{"actionUuid": "4f0c-11", "status": "ACTION_COMPLETED", "blobIds": ["turntable-77aa-02.mp4", "turntable-77aa-02.gif"]}`, told[1])
}
