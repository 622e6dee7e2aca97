//go:build linux && cgo

package gpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestF44AFailureInTheMiddleOfATaskIsToldOnceAndTakesTheGPUOutOfService(t *testing.T) {
	events, send := channel(t)
	p := fakePool(t, map[string]string{"COUNT": "2", "EVENTS": events})
	first, second := leased(t.Context(), t, p, one), leased(t.Context(), t, p, one)
	for _, faultOfTheProgram := range []string{"0 13", "0 31", "0 43", "0 45", "0 68", "0 109"} {
		send(faultOfTheProgram)
	}
	send("0 79")
	lost := first.loss(t)
	require.Equal(t, &LostError{"GPU-0", 79, "XID 79, the GPU has fallen off the bus: restart the machine; if it comes back, have the GPU replaced"}, lost)
	require.ErrorContains(t, lost, "GPU-0 failed: XID 79")
	require.Equal(t, []*LostError{lost}, p.Failures())
	require.Empty(t, second.lost)
	m, err := p.Passport(t.Context())
	require.NoError(t, err)
	require.Contains(t, m.Devices[0].Unfit, "XID 79")
	require.True(t, m.Devices[1].Leased)
	require.ErrorContains(t, p.Fits(t.Context(), Need{Use: Required, Count: 2}), "only 1 would do: GPU 0 (Fake L4) is out of service: XID 79")

	send("0 79") // the same again, and another one
	send("0 48")
	send("1 0") // a memory error
	require.Equal(t, &LostError{"GPU-1", 0, "a memory error that ECC could not correct: drain the node and reset the GPU (nvidia-smi --gpu-reset)"}, second.loss(t))
	require.Empty(t, first.lost, "it was told twice")
	require.Len(t, p.Failures(), 3)
}

func TestAReleasedLeaseHearsOfNothing(t *testing.T) {
	events, send := channel(t)
	p := fakePool(t, map[string]string{"COUNT": "2", "EVENTS": events})
	first, second := leased(t.Context(), t, p, one), leased(t.Context(), t, p, one)
	first.Release()
	first.Release()
	send("0 48")
	send("1 48")
	second.loss(t)
	require.Empty(t, first.lost)
}

func TestAFailureOfNobodyKnowsWhichConcernsAll(t *testing.T) {
	events, send := channel(t)
	p := fakePool(t, map[string]string{"COUNT": "2", "EVENTS": events})
	first, second := leased(t.Context(), t, p, one), leased(t.Context(), t, p, one)
	send("-1 62")
	require.ErrorContains(t, first.loss(t), "every GPU failed: XID 62")
	require.ErrorContains(t, second.loss(t), "every GPU failed: XID 62")
}

func TestADriverThatTellsNothingAnyMoreLosesEveryGPU(t *testing.T) {
	events, send := channel(t)
	p := fakePool(t, map[string]string{"EVENTS": events})
	l := leased(t.Context(), t, p, one)
	send("99 0")
	require.ErrorContains(t, l.loss(t), "the driver tells of no failures any more (Unknown Error): restart the worker")
	require.ErrorContains(t, p.Fits(t.Context(), one), "is out of service: the driver tells of no failures any more")
}

func TestAGPUThatCanNotBeWatchedIsUsedAndSaysSo(t *testing.T) {
	p := fakePool(t, map[string]string{"COUNT": "2", "REGISTER_0": "3"})
	require.Equal(t, []string{"GPU-0"}, uuids(leased(t.Context(), t, p, one).Lease))
	m, err := p.Passport(t.Context())
	require.NoError(t, err)
	require.Equal(t, "GPU 0 tells of no failures (Some Error)", m.Unwatched)
}

func TestAMachineThatCanNotBeWatchedIsUsedAndSaysSo(t *testing.T) {
	p := fakePool(t, map[string]string{"REGISTER": "3"})
	leased(t.Context(), t, p, one)
	m, err := p.Passport(t.Context())
	require.NoError(t, err)
	require.Equal(t, "GPU 0 tells of no failures (Some Error)", m.Unwatched)
}

func TestEveryXIDThatIsNoHarmSaysWhatToDo(t *testing.T) {
	for xid := range uint64(200) {
		f := event{gpu: "GPU-0", xid: xid}.failure()
		if f == nil {
			continue
		}
		require.Contains(t, f.err.Why, ": ", xid)
		require.Regexp(t, `reset|restart|GPU Recovery Action`, f.err.Why, xid)
	}
}
