package proc_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childVar chooses what the test binary does when it is run as the program under test.
const childVar = "PROC_TEST_CHILD"

// noRaceSleep keeps a child built with -race from sleeping a second before it exits.
const noRaceSleep = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	if what := os.Getenv(childVar); what != "" {
		child(what)
	}
	os.Exit(m.Run())
}

// child behaves as named and never returns. Long-lived ones say "ready PID" first.
func child(what string) {
	switch what {
	case "echo":
		fmt.Println(strings.Join(os.Args[1:], "|"))
		fmt.Fprintln(os.Stderr, "to stderr")
		_, _ = io.Copy(os.Stdout, os.Stdin)
		os.Exit(3)
	case "environment":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "suicide":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "deaf":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		forever()
	case "polite": // takes its time to finish after SIGTERM, behind a parent that does not
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		fmt.Println("ready", os.Getpid())
		<-term
		time.Sleep(300 * time.Millisecond)
		fmt.Println("finished")
	case "leak": // a grandchild that holds stdout
		spawn("deaf", nil, os.Environ())
	case "hasty": // has started somebody polite and dies of SIGTERM
		spawn("polite", nil, os.Environ())
		forever()
	case "escape": // double fork, each in a session of its own
		_ = spawn("leak", &syscall.SysProcAttr{Setsid: true}, os.Environ()).Wait()
	case "escape-and-stay":
		_ = spawn("leak", &syscall.SysProcAttr{Setsid: true}, os.Environ()).Wait()
		forever()
	case "vanish": // the same without a trace in the environment
		_ = spawn("vanished", &syscall.SysProcAttr{Setsid: true}, []string{noRaceSleep}).Wait()
	case "vanished":
		spawn("deaf", &syscall.SysProcAttr{Setsid: true}, []string{noRaceSleep})
	case "flood":
		write(1<<30, []byte("all work and no play makes jack a dull boy\n"))
	case "endless":
		write(64<<20, []byte("no end in sight "))
	case "garbage":
		write(1<<20, []byte{0, 0xff, 0xfe, 0x80, 'a', 0x1b, 7, 0xc3})
	case "share": // two processes that map one file
		f, err := os.CreateTemp("", "proc-share-")
		if err == nil {
			err = errors.Join(os.Remove(f.Name()), f.Truncate(sharedSize))
		}
		if err != nil {
			fmt.Println("share:", err)
			os.Exit(1)
		}
		other := exec.Command(os.Args[0])
		other.Env, other.Stdout, other.ExtraFiles = []string{childVar + "=shared", noRaceSleep}, os.Stdout, []*os.File{f}
		if err := other.Start(); err != nil {
			fmt.Println("share:", err)
			os.Exit(1)
		}
		share(f)
	case "shared":
		share(os.NewFile(3, "shared"))
	case "hoard-below": // the memory is that of a program which the program starts, and nobody stops by asking
		signal.Ignore(syscall.SIGTERM)
		_ = spawn("hoard", nil, os.Environ()).Wait()
		forever()
	case "forget": // nobody waits for what it starts
		signal.Ignore(syscall.SIGCHLD)
		for {
			_ = spawn("burn-briefly", nil, os.Environ()).Wait()
		}
	case "burn-briefly":
		burn(150*time.Millisecond, 1<<20)
	case "hoard":
		burn(time.Hour, 96<<20)
	case "burn":
		burn(300*time.Millisecond, 96<<20)
	}
	os.Exit(0)
}

const sharedSize = 96 << 20

// share keeps all of f mapped.
func share(f *os.File) {
	b, err := syscall.Mmap(int(f.Fd()), 0, sharedSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		fmt.Println("map:", err)
		os.Exit(1)
	}
	for i := 0; i < sharedSize; i += 4096 {
		b[i] = 1
	}
	forever()
}

func forever() {
	fmt.Println("ready", os.Getpid())
	for {
		time.Sleep(time.Hour)
	}
}

// spawn starts the test binary as another child with our stdout.
func spawn(what string, attr *syscall.SysProcAttr, env []string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(env, childVar+"="+what)
	cmd.Stdout, cmd.SysProcAttr = os.Stdout, attr
	if err := cmd.Start(); err != nil {
		fmt.Println("spawn:", err)
		os.Exit(1)
	}
	return cmd
}

func write(total int, line []byte) {
	chunk := bytes.Repeat(line, 1<<20/len(line)+1)
	for ; total > 0; total -= len(chunk) {
		if _, err := os.Stdout.Write(chunk[:min(len(chunk), total)]); err != nil {
			os.Exit(1)
		}
	}
}

// burn uses one core for d and keeps size bytes resident.
func burn(d time.Duration, size int) {
	ballast := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		ballast[i] = 1
	}
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		ballast[n%size]++
	}
	fmt.Println(n, ballast[size-1])
}
