//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

// Where files cannot be locked in a way that ends with the process, nothing keeps two from one folder.

package spool

import "os"

func lockDir(name string) (*os.File, error) { return os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) }
