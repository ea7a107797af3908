package limit

import (
	"fmt"
	"testing"

	"github.com/ringdown/ringdown/hub"
)

func TestAdmittingAllocatesNothing(t *testing.T) {
	generous := Rate{1e9, 1e9}
	rates := Rates{generous, generous, generous}
	n := start(t, Limits{Session: rates, User: rates, Address: rates, Node: rates})
	s := n.open("ann", "192.0.2.1")
	defer n.stop(s)
	s.Admit(1)
	if allocated := testing.AllocsPerRun(1000, func() { s.Admit(100) }); allocated != 0 {
		t.Errorf("%v allocations a message", allocated)
	}
}

func BenchmarkAdmit(b *testing.B) {
	generous := Rate{1e9, 1e9}
	rates := Rates{generous, generous, generous}
	for _, c := range []struct {
		name   string
		limits Limits
	}{
		{"all", Limits{Session: rates, User: rates, Address: rates, Node: rates}},
		{"off", off()},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := start(b, c.limits)
			var sessions []*hub.Session
			for i := range 64 {
				sessions = append(sessions, n.open(fmt.Sprint("u", i), fmt.Sprintf("192.0.2.%d", i)))
			}
			defer n.stop(sessions...)
			next := make(chan *hub.Session, 64)
			for _, s := range sessions {
				next <- s
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				s := <-next
				for pb.Next() {
					if err := s.Admit(100); err != nil {
						b.Fatal(err)
					}
				}
				next <- s
			})
		})
	}
}
