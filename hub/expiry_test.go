package hub

import (
	"testing"
	"testing/synctest"
	"time"
)

// silent is a receiver that is told of nothing.
type silent struct{}

func (silent) Receive(*Publication) Reception { return Taken }
func (silent) Notify(*Notice)                 {}
func (silent) End(error)                      {}

func TestTheTimerWaitsHoweverFarTheNextEndIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			proves string
			ends   time.Time
			due    time.Duration
		}{
			{"the last second that RFC 3339 can write", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), longestWait},
			{"a day", time.Now().Add(24 * time.Hour), longestWait},
			{"a minute", time.Now().Add(time.Minute), time.Minute},
			{"past", time.Now().Add(-time.Minute), 0},
		} {
			var e expiry
			e.set(&Session{}, c.ends)
			if due := time.Until(e.due); due != c.due {
				t.Errorf("%s: the timer is due in %v, want %v", c.proves, due, c.due)
			}
			e.timer.Stop() // or it would end the session
		}
	})
}

func TestAnEndThatIsFarAwayComesInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e expiry
		s := &Session{}
		ends := time.Now().Add(30*time.Hour + time.Minute)
		e.set(s, ends)
		time.Sleep(29 * time.Hour)
		if due := e.take(time.Now()); len(due) != 0 {
			t.Fatal("taken before its time")
		}
		if due := e.take(ends); len(due) != 1 || due[0] != s {
			t.Errorf("%d sessions are due", len(due))
		}
	})
}

func TestWhatIsAboutToEndIsNotRenewed(t *testing.T) {
	h := &Hub{sessions: newRoster(), index: make(index)}
	s := &Session{hub: h, receiver: silent{}, id: "s"}
	ends := time.Now().Add(time.Hour)
	s.who.Store(&Identity{User: "ann", Expires: ends})
	h.sessions.put(s)
	h.expiry.set(s, ends)
	if due := h.expiry.take(ends); len(due) != 1 { // and now something else runs before they are ended
		t.Fatalf("%d sessions are due", len(due))
	}
	err := s.Renew(Identity{User: "ann", Expires: ends.Add(time.Hour)})
	if r, _ := RefusalOf(err); err == nil || r.Code != TokenExpired || !s.Identity().Expires.Equal(ends) {
		t.Errorf("renewed, and about to be ended: %v", err)
	}
}
