//go:build !linux

package doctor

import "errors"

// filesOf is for systems with proc(5).
func filesOf(int) (usage, error) { return usage{}, errors.ErrUnsupported }
