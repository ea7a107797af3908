//go:build !race

// Where what is compressed with waits for the next connection.

package deflate

import "sync"

type pool = sync.Pool
