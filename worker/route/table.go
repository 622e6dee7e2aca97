package route

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
)

// Config is a Table's.
type Config struct {
	File string // its name stands in mistakes, also with Read
	// Read returns the text as it is now, of what is no file. It is asked every 10 s while uploads come; nil reads File.
	Read func() ([]byte, error)
	// Loaded hears of every table that comes into force, the first one too; nil: nobody does.
	Loaded func(*Rules)
	Log    *slog.Logger
}

// A Table is the rules of a file, as it is now: what changes counts from the next upload on. A file that has become invalid, or
// is gone, changes nothing: the rules before it stay in force, and the log says what is wrong. It is safe for concurrent use.
type Table struct {
	cfg Config

	mu    sync.Mutex
	rules *Rules      // guarded by mu, as all below
	info  fs.FileInfo // of the file when it was read last; nil where it was not there
	read  time.Time   // when that was
	wrong string      // what was last logged to be wrong with the file; empty where it is good
}

// Open reads a file. The error holds everything that is wrong with it.
func Open(cfg Config) (*Table, error) {
	begin := time.Now()
	rules, info, err := cfg.load()
	if err != nil {
		return nil, err
	}
	t := &Table{cfg: cfg, rules: rules, info: info, read: begin}
	t.tell(rules)
	return t, nil
}

func (t *Table) tell(rules *Rules) {
	if t.cfg.Loaded != nil {
		t.cfg.Loaded(rules)
	}
}

// Route makes the job of an upload, by the first rule that takes it; else it says in a sentence why there is none.
func (t *Table) Route(u job.Upload) (*job.Job, string) { return t.Rules().Route(u) }

// Make is the Make of the rules in force.
func (t *Table) Make(u job.Upload) (j *job.Job, why string, err error) { return t.Rules().Make(u) }

// Rules are those in force.
func (t *Table) Rules() *Rules {
	rules, fresh := t.current()
	if fresh {
		t.tell(rules)
	}
	return rules
}

// coarse is how far apart two writes must be for every file system to give them different times.
const coarse = 2 * time.Second

// current reads the file again where it has changed, and says whether that brought other rules.
func (t *Table) current() (_ *Rules, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fresh() {
		return t.rules, false
	}
	begin := time.Now()
	rules, info, err := t.cfg.load()
	t.info, t.read = info, begin
	if err != nil {
		if text := err.Error(); text != t.wrong {
			t.wrong = text
			t.cfg.Log.Error("routes unreadable", "err", err, "digest", t.rules.Digest)
		}
		return t.rules, false
	}
	t.wrong = ""
	if rules.Digest == t.rules.Digest {
		return t.rules, false
	}
	t.rules = rules
	t.cfg.Log.Info("routes read", "digest", rules.Digest, "routes", len(rules.List))
	return rules, true
}

// every is how often Config.Read is asked.
const every = 10 * time.Second

// fresh says that there is nothing to read anew.
func (t *Table) fresh() bool {
	if t.cfg.Read != nil {
		return time.Since(t.read) < every
	}
	info, err := os.Stat(t.cfg.File)
	return err == nil && t.same(info)
}

// same says that the file is what was read, as far as a file system can tell.
func (t *Table) same(now fs.FileInfo) bool {
	return t.info != nil && os.SameFile(t.info, now) && t.info.Size() == now.Size() && t.info.ModTime().Equal(now.ModTime()) &&
		t.read.Sub(now.ModTime()) > coarse
}

// load reads what a Config says.
func (c Config) load() (*Rules, fs.FileInfo, error) {
	if c.Read == nil {
		return read(c.File)
	}
	text, err := c.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("read routes: %w", err)
	}
	rules, err := Parse(filepath.Base(c.File), text)
	return rules, nil, err
}

// Load reads a file once. The error holds everything that is wrong with it.
func Load(file string) (*Rules, error) {
	rules, _, err := read(file)
	return rules, err
}

// read reads a file. What the file is, is told where it could be read, whatever stands in it.
func read(file string) (*Rules, fs.FileInfo, error) {
	text, info, err := pipelines.ReadDocument(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("there is no file %s: a routing table is looked for there", file)
	}
	if err != nil {
		return nil, nil, err
	}
	rules, err := Parse(filepath.Base(file), text)
	return rules, info, err
}
