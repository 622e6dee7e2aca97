package usdchecker

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

//go:embed check.py
var script string

// maxReport is how much of what the script prints is read, in bytes.
const maxReport = 64 << 20

// byOpenUSD runs OpenUSD's validators.
func byOpenUSD(ctx context.Context, c *modules.Call, s source, arkit bool) (report, modules.Stats, error) {
	name, remove, err := s.named()
	if err != nil {
		return report{}, modules.Stats{}, err
	}
	defer remove()
	mode := "default"
	if arkit {
		mode = "arkit"
	}
	quiet := *c
	quiet.Stdout = io.Discard // the report, which says as much
	var said limited
	stats, err := quiet.RunTool(ctx, modules.ToolRun{Tool: tool.OpenUSD(), Args: []string{"-I", "-c", script, name, s.root, mode}, Stdout: &said})
	if ended, ok := errors.AsType[*proc.EndedError](err); ok && ended.Crashed { // as it will the next time
		return report{}, stats, fault.As(fault.Permanent, err)
	}
	if err != nil {
		return report{}, stats, err
	}
	var r report
	if said.over {
		return r, stats, fault.As(fault.Permanent, fmt.Errorf("the report is longer than %d MiB", maxReport>>20))
	}
	if err := json.Unmarshal(said.text, &r); err != nil {
		return r, stats, fmt.Errorf("read the report: %w", err)
	}
	r.rename(filepath.Base(name), filepath.Base(s.real))
	// "Error in 'UsdStage::Open' at line 1287 in file stage.cpp : 'Failed to open layer @a.usdz@'"
	if _, what, ok := strings.Cut(r.Reason, " : '"); ok {
		r.Reason = strings.TrimSuffix(strings.TrimSpace(what), "'")
	}
	return r, stats, nil
}

// rename takes the name of a link for that of the file in all that a person reads.
func (r *report) rename(link, name string) {
	r.Reason = strings.ReplaceAll(r.Reason, link, name)
	for k := range r.Issues {
		i := &r.Issues[k]
		i.Message = strings.ReplaceAll(i.Message, link, name)
		for n, site := range i.Sites {
			i.Sites[n] = strings.ReplaceAll(site, link, name)
		}
	}
}

// named is the file under a name that OpenUSD takes for its true format, for it goes by the name: where its own does not do, a
// link beside it, which remove takes away.
func (s source) named() (name string, remove func(), err error) {
	if slices.Contains(s.format.extensions(), filepath.Ext(s.real)) {
		return s.real, func() {}, nil
	}
	name = filepath.Join(filepath.Dir(s.real), ".usdchecker-"+rand.Text()+s.format.extensions()[0])
	return name, func() { _ = os.Remove(name) }, os.Symlink(filepath.Base(s.real), name)
}

// A limited keeps what is written to it up to maxReport.
type limited struct {
	text []byte
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.over = l.over || len(l.text)+len(p) > maxReport; !l.over {
		l.text = append(l.text, p...)
	}
	return len(p), nil
}

// A format is how a file of USD is written.
type format int

const (
	other format = iota
	text
	crate
	pack
)

// sniff tells it by how the file begins.
func sniff(head []byte) format {
	switch {
	case bytes.HasPrefix(head, []byte("PXR-USDC")):
		return crate
	case bytes.HasPrefix(head, []byte("#usda ")), bytes.HasPrefix(head, []byte("#sdf ")):
		return text
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return pack
	}
	return other
}

// extensions are those that OpenUSD reads a format under.
func (f format) extensions() []string {
	switch f {
	case text:
		return []string{".usda", ".usd"}
	case crate:
		return []string{".usdc", ".usd"}
	case pack:
		return []string{".usdz"}
	}
	return nil
}
