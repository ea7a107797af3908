//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

// Keeping a folder to one process.

package spool

import (
	"os"
	"syscall"
)

// lockDir locks a file until it is closed, or its process ends.
func lockDir(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
