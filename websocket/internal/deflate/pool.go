//go:build !race

package deflate

import "sync"

type pool = sync.Pool
