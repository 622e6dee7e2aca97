// Package transfer moves objects between a bucket and the files of a workspace: one, all below a prefix or in a folder, or
// those that a pattern matches.
//
// # Names
//
// The rules are those of `aws s3 cp` and `cp`, with nothing to be guessed:
//
//   - A source that ends in a slash is everything below it, and a local folder is all its files. One with *, ? or [ is a
//     pattern, unless an object or a file has that very name. Everything else is one object or one file.
//   - One object or file goes to a destination that ends in a slash, or is a folder that exists, under its own last name;
//     else the destination is its new name. Several always go below the destination.
//   - Below the destination stands what a name has after the source's slash, or after the last slash before a pattern's
//     first special character: renders/*.png to out gives out/front.png.
//   - Slashes at a key's beginning are not part of it.
//
// A file is written under a temporary name beside its own and then takes its place, so that no half of one is ever seen;
// an object stands whole or not at all, which is the store's promise.
//
// # Hostile keys
//
// A key becomes a file's name as it stands or not at all: nothing is decoded, folded or shortened, so that two keys never
// mean one file. One that can't be a name (see Local) fails the task before anything is moved, unless Exclude names it: a
// job that quietly lacks a file is worse than one that says why it failed.
package transfer

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// The two actions.
const (
	Download = "download"
	Upload   = "upload"
)

// A Bucket is where objects lie.
type Bucket interface {
	blob.Store
	blob.Mover
}

// A Transfer is what one task asks for.
type Transfer struct {
	What
	Stored
	ACL    string // canned, of the service's; empty is none, which many buckets insist on
	Bucket Bucket
	Scheme string // of the service, as people write it: "s3"
	Name   string // of the bucket
	Dir    *workspace.Dir
	Log    *slog.Logger
	Moved  func(in, out int64) // counts bytes that have arrived; nil: nobody does

	planned *plan // nil: nobody has asked
}

// A Result is what was moved.
type Result struct {
	Action  string   `json:"action" doc:"What was done."`
	Bucket  string   `json:"bucket" doc:"Name of the bucket."`
	Src     string   `json:"src" doc:"What it moved."`
	Dest    string   `json:"dest" doc:"Where to: of one object or file its new file or key, of several what they went below."`
	URL     string   `json:"url" doc:"Address of the object, where one was named: ENDPOINT/BUCKET/KEY. It opens for whom the bucket lets in."`
	Size    string   `json:"size" default:"0" doc:"Bytes that were moved in all, as text."`
	Files   []File   `json:"files" doc:"What was moved, sorted by key."`
	Skipped []string `json:"skipped" doc:"Symbolic links and special files of a folder, which are not uploaded."`
}

// A File is an object and the file that it came from or went to.
type File struct {
	Key  string `json:"key" doc:"Key of the object."`
	Path string `json:"path" doc:"Name of the file in the workspace."`
	Size int64  `json:"size" doc:"Bytes."`
	ETag string `json:"etag" doc:"What the service calls this version of the object."`
}

// Plan finds what Run will move, and returns how many bytes that has. Nothing is moved.
func (t *Transfer) Plan(ctx context.Context) (bytes int64, err error) {
	find := t.find
	if t.Action == Upload {
		find = t.gather
	}
	p, err := find(ctx)
	if err != nil {
		return 0, err
	}
	t.planned = &p
	return sum(p.items), nil
}

// Run moves what is planned, several at once, and returns when all of it has arrived whole. After an error some of it may
// have. What has become larger than it was planned is not brought.
func (t *Transfer) Run(ctx context.Context) (_ Result, err error) {
	if t.planned == nil {
		if _, err := t.Plan(ctx); err != nil {
			return Result{}, err
		}
	}
	p, move := t.planned, t.fetch
	if t.Action == Upload {
		move = t.send
	}
	done := Result{Action: t.Action, Bucket: t.Name, Src: t.Src, Dest: t.Dest, Skipped: p.skipped}
	if done.Files, err = each(ctx, p.items, move); err != nil {
		return Result{}, err
	}
	var size int64
	for _, f := range done.Files {
		size += f.Size
	}
	done.Size = strconv.FormatInt(size, 10)
	switch {
	case p.lone && t.Action == Upload:
		done.Dest = p.items[0].key
	case p.lone:
		done.Dest = p.items[0].path
	}
	return done, nil
}

// moved counts an object that has come, and one that has gone.
func (t *Transfer) moved(in, out int64) {
	if t.Moved != nil {
		t.Moved(in, out)
	}
}

// A plan is what is to be moved.
type plan struct {
	items   []item
	lone    bool // one object or file, which was named
	skipped []string
}

// An item is one object to be moved, and its file.
type item struct {
	key, path string
	size      int64 // bytes
}

// tooMuch is more bytes than any disk has, and few enough for sums of several.
const tooMuch = 1 << 60

// sum adds the sizes up, to tooMuch at most: a server may say of its objects what it likes.
func sum(items []item) (bytes int64) {
	for _, it := range items {
		bytes = min(bytes+min(it.size, tooMuch), tooMuch)
	}
	return bytes
}

// within holds a plan to the task's limits.
func (t *Transfer) within(items []item) error {
	if len(items) > t.MaxFiles {
		return fault.As(fault.Permanent, fmt.Errorf("there are more than %d of them; narrow src, or raise maxFiles", t.MaxFiles))
	}
	if n := sum(items); t.MaxBytes > 0 && n > t.MaxBytes {
		return fault.As(fault.Permanent, fmt.Errorf("they have %d bytes, and maxBytes is %d; narrow src, or raise it", n, t.MaxBytes))
	}
	return nil
}

// isSeveral says whether a source may name more than one object or file.
func isSeveral(src string) bool {
	return src == "" || strings.HasSuffix(src, "/") || workspace.IsPattern(src)
}

// at is how people write an object: "s3://models/a.glb".
func (t *Transfer) at(key string) string { return t.Scheme + "://" + t.Name + "/" + key }

// key is a key as the task writes it, without the slashes in front.
func (t *Transfer) key(ctx context.Context, written string) string {
	key := strings.TrimLeft(written, "/")
	if key != written && key != "" {
		t.Log.InfoContext(ctx, "leading slash left out", "key", key)
	}
	return key
}
