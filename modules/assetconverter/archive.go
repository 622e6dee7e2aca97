package assetconverter

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/workspace"
)

// Limits of an archive.
const (
	maxEntries  = 10_000
	maxUnpacked = 4 << 30 // bytes of all that is in it
	maxNames    = 4 << 20 // bytes of its directory, and of what is read to find that
)

// readZIP reads the directory of an archive, which may be no larger than maxNames whatever the archive says.
func readZIP(f io.ReaderAt, size int64) (*zip.Reader, error) {
	capped := &cappedReader{ReaderAt: f, left: maxNames}
	z, err := zip.NewReader(capped, size)
	if capped.left < 0 {
		return nil, permanent("the names in the ZIP take more than the %d MiB that are read", maxNames>>20)
	}
	if err != nil {
		return nil, permanent("it begins like a ZIP and is none: %w", err)
	}
	capped.left = math.MaxInt64
	return z, nil
}

// A cappedReader fails when more has been read of it than its limit, in bytes.
type cappedReader struct {
	io.ReaderAt
	left int64
}

func (r *cappedReader) ReadAt(p []byte, at int64) (int, error) {
	if r.left -= int64(len(p)); r.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return r.ReaderAt.ReadAt(p, at)
}

// ranks are the extensions that an asset in an archive may have, the best first.
func ranks() []string {
	return strings.Fields("glb gltf fbx obj usdz usd usdc usda dae abc 3ds 3mf ply stl x3d blend lwo ac x off amf b3d cob iqm md2 md3 ms3d md5mesh ase wrl " +
		"ifc dxf step stp iges igs jt x_t x_b sat sab prt asm sldprt sldasm catpart catproduct ipt iam dwg 3dxml par psm rvt u3d prc")
}

// unpack makes the archive the workspace, and src the file in it that is meant.
func (w *work) unpack(ctx context.Context) error {
	f, err := w.call.Workspace.Open(w.src)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	z, err := readZIP(f, info.Size())
	if err != nil {
		return err
	}
	if len(z.File) > maxEntries {
		return permanent("the ZIP holds %d files, more than the %d that are unpacked", len(z.File), maxEntries)
	}
	wanted, _ := texts(w.props.Extension)
	chosen, err := choose(z.File, wanted, w.props.Name)
	if err != nil {
		return err
	}
	dir := filepath.Join(w.dir, "unpacked")
	if err := extract(ctx, z.File, dir); err != nil {
		return err
	}
	if w.inner, err = workspace.Open(dir, workspace.Options{}); err != nil {
		return err
	}
	inner := *w.call
	inner.Workspace = w.inner
	w.call, w.src = &inner, chosen
	return w.within()
}

// within tells what the file in the archive is.
func (w *work) within() error {
	f, a, err := open(w.call, w.src)
	if err != nil {
		return permanent("%s in it: %w", w.src, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if a.kind == kindZIP {
		return permanent("%s in it is a ZIP again, which is not looked into", w.src)
	}
	w.kind = a.kind
	_, err = weighFile(w.call, w.src, a)
	return err
}

// choose picks the file that is meant: by its name, then by its extension, then the one that lies highest.
func choose(files []*zip.File, wanted []string, name string) (string, error) {
	order := wanted
	if len(order) == 0 {
		order = ranks()
	}
	best, bestKey := "", [3]int{}
	for _, f := range files {
		at := slashed(f)
		base := path.Base(at)
		rank := slices.Index(order, extension(at))
		if rank < 0 || f.FileInfo().IsDir() || strings.HasPrefix(base, ".") || strings.HasPrefix(at, "__MACOSX/") {
			continue
		}
		named := 0
		if name != "" && base != name && strings.TrimSuffix(base, path.Ext(base)) != name {
			if named = 1; !strings.EqualFold(base, name) && !strings.EqualFold(strings.TrimSuffix(base, path.Ext(base)), name) {
				continue
			}
		}
		key := [3]int{named, rank, strings.Count(at, "/")}
		if c := slices.Compare(key[:], bestKey[:]); best == "" || cmp.Or(c, cmp.Compare(at, best)) < 0 {
			best, bestKey = at, key
		}
	}
	if best == "" {
		what := "no 3D file"
		if len(wanted) > 0 {
			what = "no file with extension " + strings.Join(wanted, " or ")
		}
		if name != "" {
			what += " and the name " + name
		}
		return "", permanent("there is %s in the ZIP", what)
	}
	return best, nil
}

// slashed is the name of a file in an archive, which Windows may have written with backslashes.
func slashed(f *zip.File) string { return strings.ReplaceAll(f.Name, `\`, "/") }

// extract writes all files of an archive below dir. What a name or a length lies about is a permanent error.
func extract(ctx context.Context, files []*zip.File, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	left := int64(maxUnpacked)
	for _, f := range files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		name := slashed(f)
		if f.FileInfo().IsDir() || strings.HasSuffix(name, "/") {
			continue
		}
		if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) || !f.Mode().IsRegular() {
			return permanent("the ZIP holds %.100q, which is no file below it", f.Name)
		}
		n, err := extractOne(root, f, name, left)
		if err != nil {
			return err
		}
		if left -= n; left < 0 {
			return permanent("the ZIP holds more than %d MiB", int64(maxUnpacked)>>20)
		}
	}
	return nil
}

func extractOne(root *os.Root, f *zip.File, name string, left int64) (n int64, err error) {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return 0, permanent("unpack %.100q: %w", name, err)
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, permanent("the ZIP holds %.100q twice", name)
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	in, err := f.Open()
	if err != nil {
		return 0, permanent("unpack %.100q: %w", name, err)
	}
	defer in.Close()
	n, err = io.Copy(out, io.LimitReader(in, left+1))
	if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = permanent("unpack %.100q: %w", name, err)
	}
	return n, err
}

// weighArchive is what the directory of an archive says that it takes.
func weighArchive(f *os.File, size int64) (modules.Demand, error) {
	z, err := readZIP(f, size)
	if err != nil {
		return modules.Demand{}, err
	}
	all := int64(0)
	for _, e := range z.File[:min(len(z.File), maxEntries)] {
		if all += int64(min(e.UncompressedSize64, maxUnpacked)); all > maxUnpacked {
			return modules.Demand{}, permanent("the ZIP holds more than %d MiB", int64(maxUnpacked)>>20)
		}
	}
	return modules.Demand{Input: size, Disk: 3 * all, Memory: blenderBase + perByte*all}, nil
}
