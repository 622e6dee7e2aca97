package localqueue

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// networkFilesystem returns the name of the network filesystem that folder is on; empty when it is on none we know.
func networkFilesystem(folder string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return "", fmt.Errorf("look at the filesystem of %s: %w", folder, err)
	}
	return networkName(uint32(s.Type)), nil
}

// networkName knows filesystems by the magic number of statfs(2).
func networkName(magic uint32) string {
	switch magic {
	case 0x6969:
		return "NFS"
	case 0x517b, 0xfe534d42:
		return "SMB"
	case 0xff534d42:
		return "CIFS"
	case 0x5346414f, 0x6b414653:
		return "AFS"
	case 0x00c36400:
		return "CephFS"
	case 0x0bd00bd0:
		return "Lustre"
	case 0x47504653:
		return "GPFS"
	case 0x19830326:
		return "BeeGFS"
	case 0x01161970:
		return "GFS2"
	case 0x7461636f:
		return "OCFS2"
	}
	return ""
}
