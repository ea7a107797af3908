//go:build !race

package flood

// clients are all together, and memory is what the node may take for them, in bytes: over all, also what the garbage collector has
// not collected yet. publications are what everybody must get.
const (
	clients = 10_000
	memory  = 400 << 20

	publications = 30
)
