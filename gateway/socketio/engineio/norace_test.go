//go:build !race

package engineio_test

// raceEnabled: under the race detector sync.Pool drops at random, and everything is larger.
const raceEnabled = false
