package main

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

const (
	// ignoreFile lists, in a folder of --with, what is not packed.
	ignoreFile = ".millraceignore"
	// maxWith and maxWithBytes are what a worker unpacks without being told otherwise: the limits of Unzip.
	maxWith      = 100_000
	maxWithBytes = 20 << 30
)

// A parcel is a folder that goes with a message, as an archive that its job finds unpacked in its workspace.
type parcel struct {
	root  *os.Root
	files []string // and folders, which end with a slash; relative to root
	size  int64
	key   string // that it is sent under where there is no gateway
}

// newParcel looks through a folder. Links, and what is neither file nor folder, are refused: their meaning would stay here.
func newParcel(dir string) (*parcel, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("--with: %w", plainPath(err))
	}
	p := &parcel{root: root}
	ignored, err := readIgnored(root)
	if err == nil {
		err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case name == ".":
				return nil
			case ignored.has(name) && d.IsDir():
				return fs.SkipDir
			case ignored.has(name):
				return nil
			}
			return p.add(name, d)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("--with %s: %w", dir, errors.Join(err, root.Close()))
	}
	return p, nil
}

func (p *parcel) add(name string, d fs.DirEntry) error {
	info, err := d.Info()
	switch {
	case err != nil:
		return err
	case d.Type()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link; put the file there itself, or name it in %s", name, ignoreFile)
	case !d.IsDir() && !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder; name it in %s", name, ignoreFile)
	case len(p.files) == maxWith:
		return fmt.Errorf("there are more than %d files and folders; name what the job does not need in %s", maxWith, ignoreFile)
	}
	if d.IsDir() {
		p.files = append(p.files, name+"/")
		return nil
	}
	if p.size += info.Size(); p.size > maxWithBytes {
		return fmt.Errorf("there are more than %d GiB; name what the job does not need in %s", maxWithBytes>>30, ignoreFile)
	}
	p.files = append(p.files, name)
	return nil
}

// write writes the archive.
func (p *parcel) write(w io.Writer) error {
	z := zip.NewWriter(w)
	for _, name := range p.files {
		if err := p.pack(z, name); err != nil {
			return fmt.Errorf("pack %s: %w", name, plainPath(err))
		}
	}
	return z.Close()
}

func (p *parcel) pack(z *zip.Writer, name string) error {
	if strings.HasSuffix(name, "/") {
		_, err := z.Create(name)
		return err
	}
	f, err := p.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no file any more")
	}
	to, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: info.ModTime()})
	if err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	return err
}

// ignores are patterns of what is left out: of a name wherever it is, or of a path from the top where there is a slash in it.
type ignores []string

func readIgnored(root *os.Root) (ignores, error) {
	all := ignores{".git", ".millrace", ignoreFile}
	f, err := root.Open(ignoreFile)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s.Text()), "/"), "/")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := path.Match(line, ""); err != nil {
			return nil, fmt.Errorf("%s:%d: %q is no pattern", ignoreFile, n, line)
		}
		all = append(all, line)
	}
	return all, s.Err()
}

func (all ignores) has(name string) bool {
	for _, pattern := range all {
		at := path.Base(name)
		if strings.Contains(pattern, "/") {
			at = name
		}
		if ok, _ := path.Match(pattern, at); ok {
			return true
		}
	}
	return false
}

// bring adds to the message the archive that goes with it. The job has an ID then, by which the archive is found.
func (m *message) bring(p *parcel) {
	id, _ := m.fields["id"].(string)
	if id == "" {
		id = strings.ToLower(rand.Text())
		if c, _ := m.fields["customerId"].(string); job.IsName(c) {
			id = c + "." + id
		}
		m.fields["id"] = id
	}
	m.parcel = p
	p.key = job.Uploads + id + "/" + strings.ToLower(rand.Text()) + "/inputs/with.zip" // in place of no other's with this ID
	m.inputs = m.fields["inputs"]
	own, _ := m.inputs.([]any)
	m.fields["inputs"] = append(slices.Clip(own), job.Input{Key: p.key, Name: ".", Unpack: true})
}

// upload puts what goes with the message into the store.
func (m *message) upload(ctx context.Context, cfg *placeConfig) error {
	if m.parcel == nil {
		return nil
	}
	store, err := cfg.openStore(ctx)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	var packing sync.WaitGroup
	packing.Go(func() { _ = w.CloseWithError(m.parcel.write(w)) })
	sum := sha256.New()
	_, err = store.Put(ctx, m.parcel.key, io.TeeReader(r, sum), blob.PutOptions{ContentType: "application/zip"})
	err = errors.Join(err, r.Close())
	if packing.Wait(); err != nil {
		return fmt.Errorf("send what is given --with: %w", err)
	}
	records, err := cfg.openRecords(ctx)
	if err != nil {
		return err
	}
	err = records.KeepUpload(ctx, m.job.ID, []string{m.job.ID}, hex.EncodeToString(sum.Sum(nil)))
	if errors.Is(err, record.ErrOtherUpload) || errors.Is(err, record.ErrUploadGone) {
		err = errors.Join(fmt.Errorf("--id %s: %w; choose another", m.job.ID, err), store.Delete(ctx, m.parcel.key))
	}
	return err
}

// submitWith sends the message and its archive to a gateway, which has the ID and the inputs from elsewhere.
func (m *message) submitWith(c *cobra.Command, cfg *sendConfig) (gateway.Uploaded, error) {
	gw, err := cfg.client()
	if err != nil {
		return gateway.Uploaded{}, err
	}
	id, _ := m.fields["id"].(string)
	delete(m.fields, "id")
	if m.fields["inputs"] = m.inputs; m.inputs == nil {
		delete(m.fields, "inputs")
	}
	body, err := json.Marshal(m.ordered())
	if err != nil {
		return gateway.Uploaded{}, err
	}
	return gw.SubmitWith(c.Context(), id, body, m.parcel.write)
}
