//go:build !unix

package loadtest

func openFileLimit() (limit int, known bool) { return 0, false }
