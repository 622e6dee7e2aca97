package usdchecker

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The rules that are known here, by the names that OpenUSD has for them.
const (
	noUpAxis      = "usdGeomValidators:StageMetadataChecker.MissingUpAxisMetadata"
	noUnit        = "usdGeomValidators:StageMetadataChecker.MissingMetersPerUnitMetadata"
	noDefaultPrim = "usdValidation:StageMetadataChecker.MissingDefaultPrim"
	noFile        = "usdUtilsValidators:MissingReferenceValidator.UnresolvableDependency"
	misaligned    = "usdUtilsValidators:UsdzPackageValidator.ByteMisalignment"
	compressed    = "usdUtilsValidators:UsdzPackageValidator.CompressionDetected"
	badExtension  = "usdUtilsValidators:FileExtensionValidator.UnsupportedFileExtensionInPackage"
	notInPackage  = "usdUtilsValidators:PackageEncapsulationValidator.LayerNotInPackage"
)

const (
	maxLayers  = 1_000
	maxEntries = 100_000
	maxText    = 256 << 20 // bytes of a text layer
	alignment  = 64        // of files in a package, in bytes
)

// inPackages are the extensions that the files of a package may have.
func inPackages() []string {
	return []string{".usd", ".usda", ".usdc", ".usdz", ".png", ".jpg", ".jpeg", ".exr", ".avif", ".m4a", ".mp3", ".wav"}
}

// A checker goes by the rules that need no OpenUSD.
type checker struct {
	root    *os.Root
	base    string // of root, real
	arkit   bool
	issues  map[string]Issue // by what they say
	open    map[string]bool  // what was not checked
	foreign map[string]bool
	seen    map[spot]bool // layers
	zip     map[string]*zip.File
	zipName string // real path of the package
}

// A spot is where a layer lies.
type spot struct {
	packed bool // in the package, where name is that of an entry; else below the root
	name   string
}

// byRules finds what breaks the rules on packages, stage metadata and references. It never says that a file passes: it can't
// know.
func byRules(ctx context.Context, s source, arkit bool) (report, error) {
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return report{}, err
	}
	defer root.Close()
	c := &checker{root: root, base: s.root, arkit: arkit, issues: map[string]Issue{}, open: map[string]bool{}, foreign: map[string]bool{}, seen: map[spot]bool{}}
	c.open["shaders, materials, skeletons and geometry"] = true
	reason, err := c.check(ctx, s)
	if err != nil {
		return report{}, err
	}
	r := report{Version: "Millrace", Verdict: Incomplete, Reason: reason, Unchecked: slices.Sorted(maps.Keys(c.open)), Foreign: slices.Sorted(maps.Keys(c.foreign))}
	for _, key := range slices.Sorted(maps.Keys(c.issues)) {
		i := c.issues[key]
		r.Issues = append(r.Issues, i)
		switch {
		case i.Severity == "warning" && !slices.Contains(r.Warnings, i.Code):
			r.Warnings = append(r.Warnings, i.Code)
		case i.Severity == "error" && !slices.Contains(r.Errors, i.Code):
			r.Errors = append(r.Errors, i.Code)
		}
	}
	slices.Sort(r.Errors)
	slices.Sort(r.Warnings)
	switch {
	case reason != "":
		r = report{Version: r.Version, Verdict: Unreadable, Reason: reason}
	case r.Errors != nil:
		r.Verdict = Fail
	}
	return r, nil
}

// check looks at the file and all that it refers to. reason says why it is no stage.
func (c *checker) check(ctx context.Context, s source) (reason string, err error) {
	below, err := filepath.Rel(c.base, s.real)
	if err != nil {
		return "", err
	}
	switch s.format {
	case crate:
		c.open["stage metadata and references of "+filepath.Base(s.real)] = true
		return "", nil
	case pack:
		return c.pack(ctx, s, below)
	}
	data, err := c.read(below)
	if err != nil {
		return "", err
	}
	return "", c.stage(ctx, spot{name: below}, data)
}

// stage looks at the layer on top.
func (c *checker) stage(ctx context.Context, at spot, data []byte) error {
	name := at.name
	if sniff(data) != text {
		c.open["stage metadata and references of "+path.Base(name)] = true
		return nil
	}
	l, err := readLayer(data)
	if err != nil {
		c.open["stage metadata and references of "+path.Base(name)+": "+err.Error()] = true
		return nil
	}
	if _, ok := l.metadata["upAxis"]; !ok {
		c.report("error", noUpAxis, "/", "Stage with root layer <%s> does not specify an upAxis.", name)
	}
	if _, ok := l.metadata["metersPerUnit"]; !ok {
		c.report("error", noUnit, "/", "Stage with root layer <%s> does not specify its linear scale in metersPerUnit.", name)
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(l.metadata["defaultPrim"], "/"), "/")
	switch {
	case first == "" || !l.sublayers && !l.prims[first]:
		c.report("error", noDefaultPrim, "/", "Stage with root layer <%s> has an invalid or missing defaultPrim.", name)
	case !l.prims[first]:
		c.open["whether a sublayer has the default prim "+first] = true
	}
	return c.follow(ctx, at, l)
}

// follow looks for the files that a layer refers to, and through those of them that are layers.
func (c *checker) follow(ctx context.Context, at spot, l *layer) error {
	for _, to := range l.assets {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := c.asset(ctx, at, to); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) asset(ctx context.Context, from spot, to string) error {
	file, _, _ := strings.Cut(to, "[")
	missing := func() {
		c.report("error", noFile, path.Base(from.name), "Found unresolvable external dependency '%s'.", to)
	}
	target := path.Join(path.Dir(from.name), file)
	if path.IsAbs(file) {
		if below, err := filepath.Rel(c.base, file); err == nil {
			target = below
		}
	} else if from.packed {
		if f, ok := c.zip[target]; ok {
			return c.within(ctx, target, f)
		}
		target = path.Join(path.Dir(c.zipName), target)
	}
	if !filepath.IsLocal(target) {
		if _, err := os.Lstat(filepath.Join(c.base, target)); err != nil {
			missing() // as it would be to OpenUSD
			return nil
		}
		c.foreign[file] = true
		return nil
	}
	info, err := c.root.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		missing()
		return nil
	case err != nil:
		c.foreign[file] = true // a link that leads out, or a folder that may not be looked into
		return nil
	case !info.Mode().IsRegular():
		missing()
		return nil
	}
	data, isLayer, err := c.layer(target)
	if err != nil || !isLayer {
		return err
	}
	if c.zip != nil && c.arkit {
		c.report("warning", notInPackage, path.Base(from.name), "Found referenced layer '%s' that does not belong to the package.", to)
	}
	return c.below(ctx, spot{name: target}, data)
}

// below goes through a layer that another refers to, once.
func (c *checker) below(ctx context.Context, at spot, data []byte) error {
	name := at.name
	if c.seen[at] {
		return nil
	}
	if len(c.seen) >= maxLayers {
		c.open[fmt.Sprintf("layers beyond the first %d", maxLayers)] = true
		return nil
	}
	c.seen[at] = true
	if sniff(data) != text {
		c.open["references of "+path.Base(name)] = true
		return nil
	}
	l, err := readLayer(data)
	if err != nil {
		c.open["references of "+path.Base(name)+": "+err.Error()] = true
		return nil
	}
	return c.follow(ctx, at, l)
}

// layer reads a file that may be a layer.
func (c *checker) layer(name string) (data []byte, isLayer bool, err error) {
	switch strings.ToLower(path.Ext(name)) {
	case ".usd", ".usda", ".usdc":
		data, err = c.read(name)
		return data, true, err
	case ".png", ".jpg", ".jpeg", ".exr", ".avif", ".hdr", ".tif", ".tiff", ".tga", ".bmp", ".webp", ".m4a", ".mp3", ".wav":
		return nil, false, nil
	}
	c.open["what "+path.Base(name)+" holds"] = true
	return nil, false, nil
}

// read reads a text layer; of another file how it begins.
func (c *checker) read(name string) ([]byte, error) {
	f, err := c.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return c.readText(f, name)
}

func (c *checker) readText(f io.Reader, name string) ([]byte, error) {
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if sniff(head[:n]) != text {
		return head[:n], nil
	}
	rest, err := io.ReadAll(io.LimitReader(f, maxText))
	if len(rest) == maxText {
		c.open["all of "+path.Base(name)+", which is too long"] = true
		return head[:0], err
	}
	return append(head[:n], rest...), err
}

func (c *checker) report(severity, code, site, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if len(c.issues) < maxIssues {
		c.issues[code+message] = Issue{severity, code, message, []string{site}}
	}
}

// maxIssues is how many a report lists.
const maxIssues = 1_000
