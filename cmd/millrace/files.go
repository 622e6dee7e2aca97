package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/gateway/client"
	"github.com/millrace/millrace/worker/job"
)

func newFilesCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "files", Short: "Keep files in the store, for any number of jobs"}
	cmd.AddCommand(newFilesPutCmd(), newFilesFetchCmd())
	return group(cmd)
}

func newFilesPutCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "put FILE…",
		Short: "Put files into the store",
		Long: `Puts files into the store, below files/, in place of what is there, and says
their keys, one a line: jobs that have one among their inputs find the file in their
workspace. --to is a path below there; with a slash at its end, or several FILEs, it is
a folder.

Exit codes: 0 done · 1 a file can't be read or stored · 2 the command line is wrong.`,
		Example: "  millrace files put gear.stl --to models/\n  millrace files put gear.stl --server https://millrace.example.com",
		Args:    args(cobra.MinimumNArgs(1)),
	}
	var cfg jobsConfig
	load := bind(cmd, &cfg)
	to := cmd.Flags().String("to", "", "path of the file, or with a slash at its end its folder (the file's name)")
	cmd.RunE = func(c *cobra.Command, files []string) error {
		if err := load(); err != nil {
			return err
		}
		shelf, err := cfg.shelf(c)
		if err != nil {
			return err
		}
		for _, file := range files {
			at, err := placeOf(file, *to, len(files) > 1)
			if err != nil {
				return err
			}
			key, err := putFile(c.Context(), shelf, file, at)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(c.OutOrStdout(), key); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// placeOf is where a file goes, below where files are kept.
func placeOf(file, to string, several bool) (string, error) {
	name := filepath.Base(file)
	switch {
	case to == "":
		to = name
	case several || strings.HasSuffix(to, "/"):
		to = strings.TrimSuffix(to, "/") + "/" + name
	}
	if err := job.CheckInputName(to); err != nil {
		return "", usage("--to: %w; write a path like models/gear.stl", err)
	}
	return to, nil
}

func putFile(ctx context.Context, s shelf, file, at string) (key string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", plainPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file; pack a folder first, or send it by `millrace jobs run --with`", file)
	}
	if err != nil {
		return "", err
	}
	return s.put(ctx, at, f, info.Size())
}

func newFilesFetchCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fetch KEY",
		Short: "Fetch a file from the store",
		Long: `Fetches a file that was put there, by its key or its path below files/; without
--server any object of the store, like the artifacts that ` + "`millrace jobs describe`" + ` lists.

Exit codes: 0 done · 1 there is no such file, or it can't be written · 2 the command line is wrong.`,
		Example: "  millrace files fetch models/gear.stl\n  millrace files fetch artifacts/4f1c/1/out.glb -o out.glb",
		Args:    args(cobra.ExactArgs(1)),
	}
	var cfg jobsConfig
	load := bind(cmd, &cfg)
	out := cmd.Flags().StringP("output", "o", "", "file to write, - is stdout (the key's last part, here)")
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		shelf, err := cfg.shelf(c)
		if err != nil {
			return err
		}
		if *out == "" {
			*out = path.Base(a[0])
		}
		return fetchFile(c, shelf, a[0], *out)
	}
	return cmd
}

// fetchFile writes a file that is there when all of it has come.
func fetchFile(c *cobra.Command, s shelf, key, out string) (err error) {
	r, err := s.open(c.Context(), key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if out == "-" {
		_, err = io.Copy(c.OutOrStdout(), r)
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".millrace-")
	if err != nil {
		return fmt.Errorf("write %s: %w; name another file by --output", out, plainPath(err))
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), out)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("fetch %s: %w", key, plainPath(err)), os.Remove(f.Name()))
	}
	return nil
}

// A shelf is where files are kept.
type shelf interface {
	// put keeps a file under a path, and returns its key.
	put(ctx context.Context, path string, f *os.File, size int64) (key string, err error)
	open(ctx context.Context, key string) (io.ReadCloser, error)
}

func (c *jobsConfig) shelf(cmd *cobra.Command) (shelf, error) {
	if c.Server == "" {
		store, err := c.openStore(cmd.Context())
		return storeShelf{store}, err
	}
	c.warn(cmd.ErrOrStderr())
	gw, err := c.client()
	return gatewayShelf{gw}, err
}

// A storeShelf is a store.
type storeShelf struct{ blob.Store }

func (s storeShelf) put(ctx context.Context, path string, f *os.File, _ int64) (key string, err error) {
	key = job.Files + path
	if m, ok := s.Store.(blob.Mover); ok {
		_, err = m.Upload(ctx, f, key, blob.PutOptions{})
		return key, err
	}
	_, err = s.Put(ctx, key, f, blob.PutOptions{})
	return key, err
}

func (s storeShelf) open(ctx context.Context, key string) (io.ReadCloser, error) {
	first, _, _ := strings.Cut(key, "/")
	if first+"/" != job.Uploads && first+"/" != job.Files && !strings.HasPrefix(first, "artifacts") {
		key = job.Files + key
	}
	r, _, err := s.Open(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, fmt.Errorf("there is no %s in the store", key)
	}
	return r, err
}

// A gatewayShelf is that of a gateway.
type gatewayShelf struct{ client *client.Client }

func (s gatewayShelf) put(ctx context.Context, path string, f *os.File, size int64) (string, error) {
	kept, err := s.client.PutFile(ctx, path, f, size)
	return kept.Key, err
}

func (s gatewayShelf) open(ctx context.Context, key string) (io.ReadCloser, error) {
	return s.client.GetFile(ctx, strings.TrimPrefix(key, job.Files))
}
