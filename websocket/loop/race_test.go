//go:build race

package loop_test

// raceShare is by how much crowds are smaller: the race detector takes ten times the memory and the time.
const raceShare = 10
