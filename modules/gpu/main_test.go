package gpu

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// role makes the test binary a program: what it is then.
const role = "GPU_TEST_ROLE"

// scratch lives as long as the tests of this package.
var scratch string

func TestMain(m *testing.M) { os.Exit(act(m)) }

func act(m *testing.M) int {
	switch os.Getenv(role) {
	case "passport":
		return showPassport()
	case "ffmpeg with an encoder":
		if os.Getenv("CUDA_VISIBLE_DEVICES") == "GPU-1" {
			return 0
		}
		fallthrough
	case "ffmpeg without an encoder":
		fmt.Fprintln(os.Stderr, "[h264_nvenc @ 0x55d0] No capable devices found\nmore")
		return 1
	}
	var err error
	if scratch, err = os.MkdirTemp("", "millrace-gpu-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}

// showPassport prints what this machine has, by the library that the dynamic linker finds.
func showPassport() int {
	p := NewPool(Config{})
	defer p.Close()
	m, err := p.Passport(context.Background())
	if err != nil {
		fmt.Fprint(os.Stderr, err)
		return 1
	}
	if json.NewEncoder(os.Stdout).Encode(m) != nil {
		return 1
	}
	return 0
}
