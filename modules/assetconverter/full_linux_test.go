package assetconverter

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/fault"
)

func TestWhatFailsOnAFullDiskMayPass(t *testing.T) {
	refused := permanent("12 triangles were read, and 3 written")
	full := passing(refused, "/proc") // which has no room for anything
	require.Equal(t, fault.Transient, fault.Of(full))
	require.True(t, disk.Full(full))
	require.ErrorIs(t, full, refused)
	require.Equal(t, fault.Permanent, fault.Of(passing(refused, t.TempDir())))
}
