// Whose session is ended for going on, and whose is not.

package limit

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

func TestWhoGoesOnRegardlessIsWarnedAndThenEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := off()
		limits.Session.Messages = Rate{PerSecond: 1, Burst: 1}
		limits.Patience = Patience{Refusals: 6, Within: 10 * time.Second}
		n := start(t, limits)
		c := new(client)
		s, err := n.Open(c, who("ann", ""))
		if err != nil {
			t.Fatal(err)
		}
		s.Admit(1)
		var last error
		for i := range 6 {
			last = s.Admit(1)
			_, sentence := hub.RefusalOf(last)
			if warned := strings.Contains(sentence, "after"); i < 5 && warned != (i >= 2) {
				t.Errorf("refusal %d warns: %t: %q", i+1, warned, sentence)
			}
			if (len(c.ended) > 0) != (i == 5) {
				t.Fatalf("ended after %d refusals: %v", i+1, c.ended)
			}
		}
		refusal, sentence := hub.RefusalOf(c.ended[0])
		if refusal.Close != 4429 || !strings.Contains(sentence, "session.messages") {
			t.Errorf("ended with %d, %q", refusal.Close, sentence)
		}
		if n.Ended() != 1 {
			t.Errorf("%d are counted", n.Ended())
		}
		for range 10 {
			s.Admit(1)
		}
		if len(c.ended) != 1 || n.Ended() != 1 {
			t.Error("ended more than once")
		}
		n.stop(s)
	})
}

func TestWhoHeedsRefusalsStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := off()
		limits.Session.Messages = Rate{PerSecond: 1, Burst: 1}
		limits.Patience = Patience{Refusals: 6, Within: 10 * time.Second}
		n := start(t, limits)
		c := new(client)
		s, err := n.Open(c, who("ann", ""))
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := s.Admit(1); err != nil {
				e, _ := errors.AsType[*Exceeded](err)
				time.Sleep(e.RetryAfter + 2*time.Second)
			}
		}
		if len(c.ended) > 0 {
			t.Errorf("ended: %v", c.ended)
		}
		n.stop(s)
	})
}

func TestARefusalOfTheNodeIsNobodysFault(t *testing.T) {
	for shared, of := range map[string]func(*Limits) *Rates{
		"user":    func(l *Limits) *Rates { return &l.User },
		"address": func(l *Limits) *Rates { return &l.Address },
		"node":    func(l *Limits) *Rates { return &l.Node },
	} {
		synctest.Test(t, func(t *testing.T) {
			limits := off()
			of(&limits).Messages = Rate{PerSecond: 1, Burst: 1}
			limits.Patience = Patience{Refusals: 2, Within: 10 * time.Second}
			n := start(t, limits)
			c := new(client)
			s, err := n.Open(c, who("ann", "192.0.2.1"))
			if err != nil {
				t.Fatal(err)
			}
			for range 50 {
				s.Admit(1)
			}
			if len(c.ended) > 0 || n.Limiter.Refused()[shared+".messages"] != 49 {
				t.Errorf("%s: ended: %v; %d refused", shared, c.ended, n.Limiter.Refused()[shared+".messages"])
			}
			n.stop(s)
		})
	}
}

// Those who flood from the same address come back whenever their own bucket is about to be empty.
func TestNobodyIsEndedForANeighboursFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, Default())
		c := new(client)
		honest, err := n.Open(c, who("ann", "192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		flood := make([]*hub.Session, 40)
		for i := range flood {
			flood[i] = n.open("", "192.0.2.1")
		}
		for tick := range 1000 { // 10 s
			for _, s := range flood {
				s.Admit(1)
			}
			if tick%33 == 0 {
				honest.Admit(10)
			}
			if time.Sleep(10 * time.Millisecond); tick%50 != 49 {
				continue
			}
			for i, s := range flood {
				s.Close()
				flood[i] = n.open("", "192.0.2.1")
			}
		}
		if refused := n.Limiter.Refused()["address.messages"]; len(c.ended) > 0 || refused == 0 {
			t.Errorf("who sends three messages a second was ended: %v; the address was refused %d messages", c.ended, refused)
		}
		n.stop(append(flood, honest)...)
	})
}
