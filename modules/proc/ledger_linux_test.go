package proc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALedgerCountsTheTimeOfEachProcessOnce(t *testing.T) {
	root := func(ticks, waited int64) process {
		return process{pid: 10, ppid: 1, start: 100, ticks: ticks, waited: waited}
	}
	child := func(ticks, waited int64) process {
		return process{pid: 11, ppid: 10, start: 200, ticks: ticks, waited: waited}
	}
	grandchild := func(ticks int64) process { return process{pid: 12, ppid: 11, start: 200, ticks: ticks} }
	orphan := func(ticks int64) process { return process{pid: 12, ppid: 1, start: 200, ticks: ticks} }
	reused := process{pid: 11, ppid: 10, start: 300, ticks: 3}
	for _, tt := range []struct {
		name    string
		samples [][]process
		want    []int64
	}{
		{"that was waited for", [][]process{{root(5, 0), child(7, 0)}, {root(6, 9)}}, []int64{12, 15}},
		{"that nobody waited for", [][]process{{root(5, 0), child(7, 0)}, {root(6, 0)}, {root(6, 0)}}, []int64{12, 13, 13}},
		{"whose number another has", [][]process{{root(5, 0), child(7, 0)}, {root(6, 0), reused}}, []int64{12, 16}},
		{"of both kinds", [][]process{{root(5, 0), child(7, 0)}, {root(5, 0), reused}, {root(5, 4)}}, []int64{12, 15, 15}},
		{"that was waited for by what nobody waited for", [][]process{{root(5, 0), child(7, 0), grandchild(2)}, {root(5, 0), child(7, 2)}, {root(5, 0)}}, []int64{14, 14, 14}},
		{"that goes with its parent", [][]process{{root(5, 0), child(7, 0), grandchild(2)}, {root(5, 0)}}, []int64{14, 14}},
		{"that goes after its parent", [][]process{{root(5, 0), child(7, 0), grandchild(2)}, {root(5, 7), orphan(3)}, {root(5, 7)}}, []int64{14, 15, 15}},
		{"that nobody waited for, of a parent that has waited for more", [][]process{{root(5, 100), child(7, 0)}, {root(5, 100)}, {root(8, 101)}}, []int64{112, 112, 112}},
		{"that nobody has seen", [][]process{{root(5, 0)}, {root(5, 8)}}, []int64{5, 13}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l ledger
			var got []int64
			for _, sample := range tt.samples {
				got = append(got, l.add(sample))
			}
			require.Equal(t, tt.want, got)
		})
	}
}
