package rooms

// This file: what a siege is asked and what it tells.

import "time"

// SiegeOptions say how many attack how many, and for how long.
type SiegeOptions struct {
	Clients, Hostile int
	Attacks          []int // the windows of a round, each AllKinds, NoAttack, or a kind from 0, which a tenth of them then is
	Rounds           int
	Window           time.Duration
	Pin              bool
	Profile          string // file for a CPU profile of the node in the last besieged window; "" takes none
}

// SiegeWindow is what was measured in one window.
type SiegeWindow struct {
	Round         int
	Attack        int // AllKinds, NoAttack, or a kind from 0
	Deliveries    int
	P50, P99, Max time.Duration // from when a publication was due to leave until a client had read it
	CPU           time.Duration // of the node for each delivery, whatever it spent it on
	Busy          float64       // processors that the node kept busy
	Attackers     float64       // processors that those who attack kept busy
	Elsewhere     float64       // processors that were busy with neither of these nor with the clients, or not ours at all: noise
}

// What a window's Attack is beside the kinds that there are.
const (
	AllKinds = -1
	NoAttack = -2
)

// quiet is how many processors others may keep busy during a window that is to count.
const quiet = 0.2

// Quiet tells whether nobody else on the machine disturbed the window.
func (w *SiegeWindow) Quiet() bool { return w.Elsewhere <= quiet }
