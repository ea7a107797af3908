package wheel

import "testing"

func TestAWheelThatIsOnTimeDoesNotWait(t *testing.T) {
	var d Delay
	for range 10 {
		if !d.Over(1, true, 5) || !d.Over(OnTime, true, 5) {
			t.Fatal("it waits")
		}
	}
}

// One round reads what came during the stall, if it is not more than a round can take.
func TestAfterAStallTheWheelWaitsUntilAllWasRead(t *testing.T) {
	for _, rounds := range []int{1, 2, 4} { // that it takes to read everything
		var d Delay
		for round := range rounds {
			if d.Over(20, true, 10) {
				t.Fatalf("the wheel turns after round %d of %d", round, rounds)
			}
		}
		if !d.Over(20, false, 10) {
			t.Fatalf("the wheel still waits after %d rounds", rounds)
		}
	}
}

// A machine so busy that every round comes late, and leaves some unread, has its keep-alive nevertheless.
func TestADriverThatIsAlwaysLateTurnsItsWheel(t *testing.T) {
	for most := range 50 {
		var d Delay
		waited := 0
		for round := range 1000 {
			if d.Over(Tick(3+round%7*100), true, most) {
				waited = 0
			} else if waited++; waited > max(most, 1) {
				t.Fatalf("the wheel has waited for %d rounds, the bound is %d", waited, most)
			}
		}
	}
}
