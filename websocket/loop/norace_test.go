//go:build !race

package loop_test

// raceShare is by how much crowds are smaller.
const raceShare = 1
