package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/modules/blob/dirblob"
)

// dataConfig says where things lie on this machine: the embedded queue and store, and the workspaces of running jobs.
type dataConfig struct {
	Data string `flag:"data" default:".millrace" doc:"folder of the embedded queue and store, and of running jobs' workspaces, on a local disk"`
}

func (c *dataConfig) complete(from func(string) string) []error {
	if c.Data == "" {
		return []error{fmt.Errorf("%s: is empty: name a folder", from("data"))}
	}
	return nil
}

func (c dataConfig) queueFile() string { return filepath.Join(c.Data, "queue.db") }
func (c dataConfig) storeDir() string  { return filepath.Join(c.Data, "store") }
func (c dataConfig) runDir() string    { return filepath.Join(c.Data, "run") }

// openFolder opens the store that is a folder.
func (c dataConfig) openFolder() (*dirblob.Store, error) {
	if err := os.MkdirAll(c.storeDir(), 0o700); err != nil {
		return nil, fmt.Errorf("make store: %w", err)
	}
	return dirblob.Open(c.storeDir())
}
