//go:build race

package flood

const (
	clients = 2_000
	memory  = 400 << 20
)
