package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSinceReadsTimesAsPeopleWriteThem(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		text string
		want time.Time
	}{
		{"12h", now.Add(-12 * time.Hour)},
		{"1h30m", now.Add(-90 * time.Minute)},
		{"12 hours ago", now.Add(-12 * time.Hour)},
		{"1 hour", now.Add(-time.Hour)},
		{"1 day", now.Add(-24 * time.Hour)},
		{"2d", now.Add(-48 * time.Hour)},
		{"1.5 Days ago", now.Add(-36 * time.Hour)},
		{"1 week ago", now.Add(-7 * 24 * time.Hour)},
		{"2026-03-01", time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)},
		{"2026-03-01T08:00:00+02:00", time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)},
	} {
		t.Run(tt.text, func(t *testing.T) {
			got, err := since(tt.text, now)
			require.NoError(t, err)
			require.True(t, tt.want.Equal(got), got)
		})
	}
	for _, text := range []string{"", "ago", "yesterday", "-1h", "12 parsecs", "1e30 days", "NaN days"} {
		t.Run("no time: "+text, func(t *testing.T) {
			_, err := since(text, now)
			require.ErrorContains(t, err, "is no time")
		})
	}
}
