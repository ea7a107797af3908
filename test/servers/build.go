//go:build unix

// The program ringdown, built once for all packages of tests.

package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// Binary is the path of ringdown as it is now, built with the race detector if the tests run with it. A package of tests that uses it
// imports package server, so that go test runs it again when the server has changed.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadDir(filepath.Join(module(), "cmd", "ringdown")); err != nil { // go test takes note of what the test depends on
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(buildRingdown)

// buildRingdown builds bin/test/ringdown. The go command links a program that is there and up to date no second time. Test binaries run side
// by side, so it holds a lock.
func buildRingdown() (string, error) {
	folder := filepath.Join(module(), "bin", "test")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	path, args := filepath.Join(folder, "ringdown"), []string{"build"}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		path, args = path+"-race", append(args, "-race")
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // and with it the lock is given back
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	command := exec.Command("go", append(args, "-o", path, "./cmd/ringdown")...)
	command.Dir = module()
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ringdown: %w\n%s", err, output)
	}
	return path, nil
}

// module is the folder of the module.
func module() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}
