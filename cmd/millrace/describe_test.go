package main_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	millrace "github.com/millrace/millrace/cmd/millrace"
	"github.com/millrace/millrace/worker/record"
)

func TestDescribeTellsOfTheCallback(t *testing.T) {
	next := time.Date(2026, 1, 31, 12, 0, 0, 0, time.Local)
	for _, tt := range []struct {
		name   string
		record record.Record
		want   string
	}{
		{"owed", record.Record{Owed: &record.Owed{Error: "connection refused", Tries: 3, Next: next}}, `callback +owed: 3 tries failed, the next is due 2026-01-31 12:00:00`},
		{"given up", record.Record{Callback: &record.Delivery{Error: "gone", Tries: 1}}, `callback +given up after one try: gone`},
		{"delivered", record.Record{Callback: &record.Delivery{Status: 204, Tries: 1, Time: next}}, `callback +answered 204 after one try`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Regexp(t, tt.want, millrace.Described(&tt.record))
		})
	}
}
