//go:build !unix

package node

// lock does nothing where there are no advisory locks: install the packages before running tests side by side.
func lock(string) (unlock func(), err error) { return func() {}, nil }
