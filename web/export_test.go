package web

import "io/fs"

// WithDist is the site of a binary that was built with other pages.
func WithDist(dist fs.FS) Site { return Site{Embedded().plain, dist} }
