//go:build !unix

package server

// openFiles is how many files the process may open; 0 is no limit.
func openFiles() int { return 0 }
