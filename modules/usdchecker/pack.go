package usdchecker

import (
	"archive/zip"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
)

// pack looks at a package: a zip of files that are neither compressed nor encrypted, of which the first is the stage.
func (c *checker) pack(ctx context.Context, s source, name string) (reason string, err error) {
	f, err := c.root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	r, err := zip.NewReader(f, s.size)
	if err != nil {
		return "it begins like a package and is none: " + err.Error(), nil
	}
	if len(r.File) == 0 || len(r.File) > maxEntries {
		return "it holds no file, or more than are looked at", nil
	}
	first := r.File[0]
	if at, err := first.DataOffset(); err == nil {
		for _, f := range r.File {
			if other, err := f.DataOffset(); err == nil && other < at {
				first, at = f, other
			}
		}
	}
	if !slices.Contains([]string{".usd", ".usda", ".usdc"}, path.Ext(first.Name)) {
		return "its first file, " + first.Name + ", is no layer", nil
	}
	if first.Method != zip.Store || isEncrypted(first) {
		return "its first file, " + first.Name + ", is compressed or encrypted", nil
	}
	c.zip, c.zipName = map[string]*zip.File{}, name
	for _, f := range r.File {
		c.zip[f.Name] = f
		c.entry(f)
	}
	data, err := c.content(first)
	if err != nil {
		return "its first file can't be read: " + err.Error(), nil
	}
	return "", c.stage(ctx, spot{true, first.Name}, data)
}

func isEncrypted(f *zip.File) bool { return f.Flags&1 != 0 }

// entry looks at how a file lies in the package, by the rules for Apple's devices.
func (c *checker) entry(f *zip.File) {
	if !c.arkit || strings.HasSuffix(f.Name, "/") {
		return
	}
	if f.Method != zip.Store {
		c.report("error", compressed, f.Name, "File '%s' in package '%s' is compressed.", f.Name, path.Base(c.zipName))
	}
	if at, err := f.DataOffset(); err == nil && at%alignment != 0 {
		c.report("error", misaligned, f.Name, "File '%s' in package '%s' has an invalid offset %d.", f.Name, path.Base(c.zipName), at)
	}
	if !slices.Contains(inPackages(), path.Ext(f.Name)) {
		c.report("error", badExtension, f.Name, "File '%s' in package '%s' has an unknown unsupported extension '%s'.",
			f.Name, path.Base(c.zipName), strings.TrimPrefix(path.Ext(f.Name), "."))
	}
}

// content reads a text layer of the package; of another file how it begins.
func (c *checker) content(f *zip.File) ([]byte, error) {
	if f.Method != zip.Store || isEncrypted(f) {
		return nil, errors.New("it is compressed or encrypted")
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return c.readText(r, f.Name)
}

// within goes through a file of the package, if it is a layer.
func (c *checker) within(ctx context.Context, name string, f *zip.File) error {
	if !slices.Contains([]string{".usd", ".usda", ".usdc"}, path.Ext(name)) {
		return nil
	}
	data, err := c.content(f)
	if err != nil {
		c.open["references of "+name+": "+err.Error()] = true
		return nil
	}
	return c.below(ctx, spot{true, name}, data)
}
