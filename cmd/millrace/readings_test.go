package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWorkerThatEndsWaitsUntilItsLastCountsAreRead(t *testing.T) {
	read := func(r *readings) {
		r.of(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
	}
	for _, tt := range []struct {
		name   string
		before func(r *readings)
		every  time.Duration // of who reads on
		waits  time.Duration
	}{
		{"nobody reads", (*readings).count, 0, 0},
		{"somebody reads every 15 s", func(r *readings) { read(r); r.count() }, 15 * time.Second, 15 * time.Second},
		{"somebody has read all", func(r *readings) { r.count(); read(r) }, 15 * time.Second, 0},
		{"somebody has read, and comes no more", func(r *readings) { read(r); r.count() }, 0, readWithin},
		{"somebody read long ago", func(r *readings) { read(r); time.Sleep(2 * time.Minute); r.count() }, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReadings()
				tt.before(r)
				if tt.every > 0 {
					time.AfterFunc(tt.every, func() { read(r) })
				}
				began := time.Now()
				r.await(t.Context())
				require.Equal(t, tt.waits, time.Since(began))
				began = time.Now()
				hard, stop := context.WithTimeout(t.Context(), time.Second)
				defer stop()
				r.count()
				r.await(hard)
				require.LessOrEqual(t, time.Since(began), time.Second, "the second signal")
			})
		})
	}
}
