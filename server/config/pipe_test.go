//go:build unix

package config_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ringdown/ringdown/server/config"
)

// Opening one into which nobody writes would take for ever.
func TestAPipeIsNoConfiguration(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(config.Sources{File: name}); err == nil || !strings.Contains(err.Error(), "is a pipe or a socket") {
		t.Errorf("%v", err)
	}
}
