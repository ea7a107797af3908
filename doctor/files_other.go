//go:build !unix

package doctor

import "errors"

// ownFiles is for systems that have such a limit.
func ownFiles() (usage, error) { return usage{}, errors.ErrUnsupported }
