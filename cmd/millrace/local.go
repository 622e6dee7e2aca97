package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

// dataConfig says where the embedded default keeps its things.
type dataConfig struct {
	Data string `flag:"data" default:".millrace" doc:"folder of the embedded queue and store, on a local disk"`
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

// openQueue opens the embedded queue. Close the driver after use.
func (c dataConfig) openQueue(ctx context.Context, visibility time.Duration, log *slog.Logger) (*queue.Queue, *localqueue.Driver, error) {
	d, err := localqueue.Open(ctx, localqueue.Config{Path: c.queueFile(), Visibility: visibility})
	if err != nil {
		return nil, nil, err
	}
	q, err := queue.New(queue.Config{Driver: d, Visibility: visibility, Log: log})
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return q, d, nil
}

func (c dataConfig) openRecords() (*record.Book, error) {
	store, err := c.openStore()
	if err != nil {
		return nil, err
	}
	return record.New(store, time.Now), nil
}

// openStore opens the folder store; it may be left open until the process ends.
func (c dataConfig) openStore() (*dirblob.Store, error) {
	if err := os.MkdirAll(c.storeDir(), 0o700); err != nil {
		return nil, fmt.Errorf("make store: %w", err)
	}
	return dirblob.Open(c.storeDir())
}
