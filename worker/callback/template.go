package callback

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/document"
	"github.com/millrace/millrace/worker/record"
)

// maxShaped is the longest body that an operator's document may make, in bytes.
const maxShaped = 256 << 10

//go:embed default
var defaults embed.FS

// OpenTemplate parses the document that makes bodies: one of the operator's folder, which may be empty, or slack.json
// or teams.json.
func OpenTemplate(dir, name string) (*document.Template, error) {
	own, err := fs.Sub(defaults, "default")
	if err != nil {
		return nil, fmt.Errorf("open built-in documents: %w", err)
	}
	return document.NewFolder(document.Config{Dir: dir, Defaults: own}).Open(name)
}

// Body is the callback of a final record: what the operator's document makes of it, else the standard one. A document
// that fails is logged, and costs nobody the callback.
func (s *Sender) Body(ctx context.Context, final *record.Record) (body []byte, contentType string) {
	if s.Template == nil {
		return Body(final), contentTypes[document.JSON]
	}
	body, err := shape(ctx, s.Template, final)
	if err != nil {
		s.Log.ErrorContext(ctx, "callback template failed", "err", err)
		return Body(final), contentTypes[document.JSON]
	}
	return body, contentTypes[s.Template.Format()]
}

var contentTypes = map[document.Format]string{
	document.JSON: "application/json",
	document.YAML: "application/yaml",
	document.HTML: "text/html; charset=utf-8",
	document.Text: "text/plain; charset=utf-8",
}

// shape renders a document with the fields of the standard body, nothing left out, and seconds, which the job took.
func shape(ctx context.Context, t *document.Template, final *record.Record) ([]byte, error) {
	standard, err := json.Marshal(payload(final))
	if err != nil {
		return nil, fmt.Errorf("shape callback: %w", err)
	}
	vars := map[string]any{}
	if err := modules.UnmarshalJSON(standard, &vars); err != nil {
		return nil, fmt.Errorf("shape callback: %w", err)
	}
	if !final.Started.IsZero() && !final.Finished.IsZero() {
		vars["seconds"] = final.Finished.Sub(final.Started).Seconds()
	}
	text, err := t.Execute(ctx, vars)
	if err != nil {
		return nil, fmt.Errorf("shape callback: %w", err)
	}
	if len(text) > maxShaped {
		return nil, fmt.Errorf("shape callback: the body has %d bytes, and at most %d are sent", len(text), maxShaped)
	}
	return []byte(text), nil
}
