package localqueue

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNetworkFilesystemsAreKnownByName(t *testing.T) {
	for _, tt := range []struct {
		name  string
		magic uint32
	}{
		{"NFS", 0x6969},
		{"CIFS", 0xff534d42},
		{"SMB", 0xfe534d42},
		{"", 0xef53}, // ext4
		{"", 0x01021994},
	} {
		t.Run(fmt.Sprintf("%#x is %q", tt.magic, tt.name), func(t *testing.T) {
			require.Equal(t, tt.name, networkName(tt.magic))
		})
	}
}
