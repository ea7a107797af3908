//go:build race

package flood

const (
	clients = 1_000
	memory  = 400 << 20

	publications = 10
)
