package gateway

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/record"
)

func (g *Gateway) artifactOperations() []operation {
	return []operation{
		{
			method: http.MethodGet, path: "/v1/jobs/{id}/artifacts", scope: Read, serve: g.listArtifacts,
			summary: "List what a job published",
			gives:   map[int]any{http.StatusOK: ArtifactList{}, http.StatusNotModified: nil},
		},
		{
			method: http.MethodGet, path: "/v1/jobs/{id}/artifacts/{path...}", scope: Read, serve: g.fetchArtifact, streams: true,
			summary: "Fetch what a job published", answers: []string{"*/*"},
			about:   "Ranges may be asked for. The ETag is the SHA-256. What a browser could run is served as a file to save.",
			query:   []parameter{{"redirect", "true: lead to the bucket itself, by a URL that is good for 15 minutes, where the store is one that can sign it", false}},
			headers: []parameter{{"Range", "one range of bytes", ""}, {"If-None-Match", "the ETag of what is there already", ""}},
			gives:   map[int]any{http.StatusOK: nil, http.StatusPartialContent: nil, http.StatusNotModified: nil, http.StatusTemporaryRedirect: nil},
		},
		{
			method: http.MethodGet, path: "/v1/jobs/{id}/report", scope: Read, serve: g.goToReport,
			summary: "Go to the page about a job",
			gives:   map[int]any{http.StatusSeeOther: nil},
		},
	}
}

// An ArtifactList is what a job published.
type ArtifactList struct {
	Artifacts []ArtifactView `json:"artifacts"`
}

// An ArtifactView is one object that a job published.
type ArtifactView struct {
	Path   string `json:"path" doc:"as the job named it"`
	Size   int64  `json:"size" doc:"bytes"`
	SHA256 string `json:"sha256"`
	Type   string `json:"type" doc:"content type that it is served with"`
	URL    string `json:"url" doc:"relative to the list's own"`
}

func (g *Gateway) listArtifacts(c *call) error {
	r, err := g.recordOf(c)
	if err != nil {
		return err
	}
	list := ArtifactList{Artifacts: []ArtifactView{}}
	for _, a := range r.Artifacts {
		kind, _ := serveAs(a.Path)
		list.Artifacts = append(list.Artifacts, ArtifactView{a.Path, a.Size, a.SHA256, kind, under(a)})
	}
	return c.answer(list)
}

// under is an artifact's URL, relative to those of the list and of the report: a proxy may have put us below a path.
func under(a record.Artifact) string { return "artifacts/" + escapePath(a.Path) }

// escapePath writes an artifact's path for a URL.
func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// goToReport leads to the page among the artifacts, so that its links to the others hold.
func (g *Gateway) goToReport(c *call) error {
	r, err := g.recordOf(c)
	if err != nil {
		return err
	}
	for _, a := range r.Artifacts {
		if a.Key == r.Report {
			c.w.Header().Set("Location", under(a))
			c.w.Header().Set("Cache-Control", "no-store")
			c.w.WriteHeader(http.StatusSeeOther)
			return nil
		}
	}
	return problem(http.StatusNotFound, fmt.Sprintf("job %s has no report; a worker makes one of jobs that leave outputs, once they are over", r.ID))
}

// fetchArtifact serves one object, and nothing but what the record names.
func (g *Gateway) fetchArtifact(c *call) error {
	r, err := g.recordOf(c)
	if err != nil {
		return err
	}
	wanted := c.r.PathValue("path")
	given, err := c.query("redirect")
	if err != nil {
		return err
	}
	for _, a := range r.Artifacts {
		switch {
		case a.Path != wanted:
		case given.Get("redirect") == "true" && g.lent(c, a):
			return nil
		default:
			return g.serveArtifact(c, a, r.Report == a.Key)
		}
	}
	return problem(http.StatusNotFound, fmt.Sprintf("job %s has published no %q; its artifacts are listed by …/artifacts", r.ID, clip(wanted)))
}

// clip keeps what somebody asked for from flooding a sentence.
func clip(text string) string { return clipTo(text, 100) }

// clipTo cuts a text to most bytes.
func clipTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// lentFor is how long a URL of the bucket's own is good.
const lentFor = 15 * time.Minute

// lent leads to the bucket itself, which then sends the object in our place, and says whether it could.
func (g *Gateway) lent(c *call, a record.Artifact) bool {
	if g.cfg.Lend == nil {
		return false
	}
	kind, inline := serveAs(a.Path)
	at, err := g.cfg.Lend(c.r.Context(), a.Key, kind, disposition(a.Path, inline), lentFor)
	if err != nil {
		g.cfg.Log.WarnContext(c.r.Context(), "url not signed", "request_id", c.id, "err", err)
		return false
	}
	c.w.Header().Set("Location", at)
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.Header().Set("Referrer-Policy", "no-referrer")
	c.w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}

func (g *Gateway) serveArtifact(c *call, a record.Artifact, report bool) error {
	ctx := c.r.Context()
	body, info, err := g.cfg.Store.Open(ctx, a.Key)
	if errors.Is(err, blob.ErrNotFound) {
		return problem(http.StatusGone, fmt.Sprintf("%q is no longer kept: outputs are removed some time after a job's end", clip(a.Path)))
	}
	if err != nil {
		return c.lookup(err)
	}
	o := &object{open: func() (io.ReadCloser, error) {
		again, _, err := g.cfg.Store.Open(ctx, a.Key)
		return again, err
	}, body: body, size: info.Size}
	defer o.close()
	h := c.w.Header()
	kind, inline := serveAs(a.Path)
	sandbox := "sandbox"
	if report {
		kind, inline = "text/html; charset=utf-8", true
		// Of an origin of its own it could show no picture that lies beside it, nor lead to a file to save. It can't run scripts all the same.
		sandbox = "sandbox allow-same-origin allow-downloads"
	}
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	// Whatever a browser takes it for, it runs nothing.
	h.Set("Content-Security-Policy", sandbox+"; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Disposition", disposition(a.Path, inline))
	if sum, err := hex.DecodeString(a.SHA256); err == nil && len(sum) > 0 {
		h.Set("ETag", `"`+a.SHA256+`"`)
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
	if strings.Contains(c.r.Header.Get("Range"), ",") {
		c.r.Header.Del("Range") // each of several ranges would be a transfer of its own: all of it is as good an answer
	}
	http.ServeContent(patient(c.w), c.r, "", time.Time{}, o)
	return nil
}

// served are the types that browsers show and can't be harmed by, by suffix. All else is saved to a file.
func served() map[string]string {
	return map[string]string{
		".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".avif": "image/avif",
		".mp4": "video/mp4", ".webm": "video/webm", ".mp3": "audio/mpeg", ".wav": "audio/wav", ".ogg": "audio/ogg",
		".glb": "model/gltf-binary", ".gltf": "model/gltf+json", ".usdz": "model/vnd.usdz+zip",
		".json": "application/json", ".txt": "text/plain; charset=utf-8", ".csv": "text/plain; charset=utf-8", ".log": "text/plain; charset=utf-8",
	}
}

// serveAs is the content type of an artifact, and whether a browser may show it.
func serveAs(name string) (kind string, inline bool) {
	if kind, ok := served()[strings.ToLower(path.Ext(name))]; ok {
		return kind, true
	}
	return "application/octet-stream", false
}

// disposition names the file, and says whether it is to be saved.
func disposition(name string, inline bool) string {
	how := "attachment"
	if inline {
		how = "inline"
	}
	if text := mime.FormatMediaType(how, map[string]string{"filename": path.Base(name)}); text != "" {
		return text
	}
	return how
}
