//go:build linux && cgo

package gpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMIGInstancesAreLeasedOneByOne(t *testing.T) {
	p := fakePool(t, map[string]string{"COUNT": "2", "MIG_0": "2"})
	first := leased(t.Context(), t, p, one)
	require.Equal(t, []string{"MIG-0-0"}, uuids(first.Lease))
	require.Equal(t, Device{UUID: "MIG-0-0", Name: "Fake MIG 1g.5gb", Memory: 5 << 30, Free: 5 << 30, Capability: "8.9"}, first.Devices[0])
	require.Equal(t, []string{"MIG-0-1"}, uuids(leased(t.Context(), t, p, one).Lease))
	require.Equal(t, []string{"GPU-1"}, uuids(leased(t.Context(), t, p, one).Lease))
	require.ErrorContains(t, p.Fits(t.Context(), Need{Use: Required, Count: 2}),
		"only 1 would do: GPU 0 (Fake MIG 1g.5gb) is a MIG instance, of which a program can use only one")
	require.ErrorContains(t, p.Fits(t.Context(), Need{Use: Required, Memory: 6 << 30, Capability: "9.0"}), "has compute capability 8.9")
}

func TestAGPUInMIGModeWithoutInstancesIsOutOfService(t *testing.T) {
	p := fakePool(t, map[string]string{"MIG": "0"})
	require.ErrorContains(t, p.Fits(t.Context(), one), "it is in MIG mode and has no instance: make one")
}

func TestMIGInstancesShareTheHealthOfTheirGPU(t *testing.T) {
	p := fakePool(t, map[string]string{"MIG": "2", "REMAP": "1"})
	m, err := p.Passport(t.Context())
	require.NoError(t, err)
	require.Len(t, m.Devices, 2)
	for _, r := range m.Devices {
		require.Contains(t, r.Unfit, "a faulty memory row waits to be remapped")
		require.Equal(t, "GPU-0", r.Parent)
	}
}

func TestAFailureOfOneMIGInstanceLeavesTheOther(t *testing.T) {
	events, send := channel(t)
	p := fakePool(t, map[string]string{"MIG": "2", "EVENTS": events})
	first, second := leased(t.Context(), t, p, one), leased(t.Context(), t, p, one)
	send("0 94 8") // the fake's second instance
	require.Equal(t, uint64(94), second.loss(t).XID)
	require.Empty(t, first.lost)
	first.Release()
	second.Release()
	again := leased(t.Context(), t, p, one)
	require.Equal(t, []string{"MIG-0-0"}, uuids(again.Lease))
	send("0 79") // of the whole GPU
	require.Equal(t, uint64(79), again.loss(t).XID)
}
