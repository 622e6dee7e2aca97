package bucket

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSumsOfPartsMakeThatOfTheWhole(t *testing.T) {
	whole := make([]byte, 100_003)
	_, _ = rand.NewChaCha8([32]byte{}).Read(whole)
	for _, kind := range []SumKind{CRC32, CRC32C, CRC64NVME} {
		t.Run(string(kind), func(t *testing.T) {
			sum := func(b []byte) uint64 {
				h := kind.newHash()
				_, _ = h.Write(b)
				return valueOf(h)
			}
			joined := uint64(0)
			for at := 0; at < len(whole); at += 7_777 {
				part := whole[at:min(at+7_777, len(whole))]
				joined = kind.join(joined, sum(part), int64(len(part)))
			}
			require.Equal(t, sum(whole), joined)
		})
	}
}

// The check values of "123456789", from the catalogue of CRC algorithms (CRC-32/ISO-HDLC, CRC-32/ISCSI, CRC-64/NVME).
func TestSumsAreThoseOfTheServices(t *testing.T) {
	for kind, want := range map[SumKind]uint64{CRC32: 0xcbf43926, CRC32C: 0xe3069283, CRC64NVME: 0xae8b14860a799888} {
		h := kind.newHash()
		_, _ = h.Write([]byte("123456789"))
		require.Equal(t, want, valueOf(h), kind)
	}
}
