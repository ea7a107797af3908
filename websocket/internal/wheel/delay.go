// After a stall: first what came meanwhile, then the clock.

package wheel

// OnTime is how many steps a wheel may be behind the clock without its driver counting as having been held up.
const OnTime = 2

// Delay holds a wheel back after its driver was held up, until the driver has read what came meanwhile: nobody whose
// answer was there in time is to be found late. It holds it back for a bounded number of rounds, so that a driver that is
// held up in every one of them still turns its wheel. The zero value holds nothing back.
type Delay struct {
	rounds int // for which the wheel may still wait
}

// Over is asked at the end of each round in which the clock is ahead of the wheel, and reports whether the wheel may turn
// now. late is how many steps the wheel is behind, more says that there may be input which the round has not read, and most
// is how many rounds it takes to read everybody's. Out of any most+1 answers that follow each other one is true.
func (d *Delay) Over(late Tick, more bool, most int) bool {
	if d.rounds == 0 {
		if late <= OnTime {
			return true
		}
		d.rounds = max(most, 1)
		return false
	}
	if d.rounds--; d.rounds > 0 && more {
		return false
	}
	d.rounds = 0
	return true
}
