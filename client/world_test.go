// Clients in a world of their own: with transports that are made up, and a clock that stands until it matters.

package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// line is a made-up transport and the server behind it.
type madeUp struct {
	name Transport

	mu       sync.Mutex
	refuse   error // of attempts to connect
	deaf     bool  // accepts connections and passes nothing
	attempts int
	orders   []order // but for pings
	answer   func(*order) *heard
	wires    []*madeUpWire
}

type madeUpWire struct {
	of   *madeUp
	in   chan *heard
	done chan struct{}
	once sync.Once
}

func (m *madeUp) transport() transport {
	return transport{m.name, func(context.Context, *route) (wire, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.attempts++; m.refuse != nil {
			return nil, m.refuse
		}
		w := &madeUpWire{of: m, in: make(chan *heard, 100), done: make(chan struct{})}
		w.in <- &heard{Type: "welcome", Session: "s"}
		m.wires = append(m.wires, w)
		return w, nil
	}, greeting}
}

func (m *madeUp) set(refuse error, deaf bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse, m.deaf = refuse, deaf
}

// cut ends all connections.
func (m *madeUp) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.wires {
		w.closeNow()
	}
	m.wires = nil
}

// has is how often it was connected to, and what was ordered.
func (m *madeUp) has() (attempts int, orders []order) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.attempts, slices.Clone(m.orders)
}

func (w *madeUpWire) read() (*heard, error) {
	select {
	case h := <-w.in:
		return h, nil
	case <-w.done:
		return nil, errors.New("the wire is cut")
	}
}

func (w *madeUpWire) write(commands [][]byte) error {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	for _, text := range commands {
		o := order{}
		if err := json.Unmarshal(text, &o); err != nil {
			return err
		}
		if o.Type != "ping" {
			w.of.orders = append(w.of.orders, o)
		}
		if w.of.deaf {
			continue
		}
		if o.Type == "ping" {
			w.in <- &heard{Type: "pong", ID: o.ID}
		} else if w.of.answer != nil {
			if h := w.of.answer(&o); h != nil {
				h.ID = o.ID
				w.in <- h
			}
		}
	}
	return nil
}

func (w *madeUpWire) close()    { w.closeNow() }
func (w *madeUpWire) closeNow() { w.once.Do(func() { close(w.done) }) }

// inWorld runs a test with a client over made-up transports.
func inWorld(t *testing.T, options Options, all []*madeUp, test func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newClient("ws://server", options)
		var transports []transport
		for _, m := range all {
			transports = append(transports, m.transport())
		}
		c.chooser = newChooser(transports, options.Memory, "server")
		go c.run()
		defer c.Close()
		test(t, c)
	})
}

// after lets time pass, and all that happens in it.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var errNobody error = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

func TestTheBestIsTriedBesideTheOneThatWorksWhichIsNotGivenUpBefore(t *testing.T) {
	best, second := &madeUp{name: WebSocket, deaf: true}, &madeUp{name: EventStream}
	inWorld(t, Options{}, []*madeUp{best, second}, func(t *testing.T, c *Client) {
		after(greeting)
		if c.State() != Open || c.Transport() != EventStream {
			t.Fatalf("%v over %q", c.State(), c.Transport())
		}
		expect := func(of *madeUp, want int) {
			t.Helper()
			if got, _ := of.has(); got != want {
				t.Errorf("%v: %d attempts over %s, want %d", time.Now(), got, of.name, want)
			}
		}
		after(good + greeting)
		expect(best, 2)
		after(2 * good)
		expect(best, 3)
		best.set(nil, false)
		after(seldom)
		expect(best, 5) // one beside the other transport, one in its place
		expect(second, 1)
		if c.State() != Open || c.Transport() != WebSocket {
			t.Errorf("%v over %q", c.State(), c.Transport())
		}
	})
}

// notes is a memory.
type notes struct {
	name  Transport
	since time.Time
}

func (n *notes) Load(string) (Transport, time.Time)              { return n.name, n.since }
func (n *notes) Store(_ string, name Transport, since time.Time) { n.name, n.since = name, since }

func TestWhatWorkedIsRememberedForAWhile(t *testing.T) {
	memory := &notes{}
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			pause time.Duration
			want  int // attempts over the best
		}{{0, 1}, {good / 2, 1}, {good, 2}} {
			time.Sleep(test.pause)
			best, second := &madeUp{name: WebSocket, deaf: true}, &madeUp{name: EventStream}
			c := newClient("ws://server", Options{Memory: memory})
			c.chooser = newChooser([]transport{best.transport(), second.transport()}, memory, "server")
			go c.run()
			after(greeting)
			if got, _ := best.has(); c.Transport() != EventStream || got != min(1, test.want-1+map[bool]int{true: 1}[test.pause == 0]) {
				t.Errorf("after %v: open over %q, with %d attempts over the best", test.pause, c.Transport(), got)
			}
			c.Close()
		}
	})
}

func TestWhichFailuresAreTheTransports(t *testing.T) {
	for _, test := range []struct {
		name          string
		err           error
		first, second bool // whether the next is tried at once, after the best and after another
	}{
		{"nobody answers", errNobody, false, false},
		{"nothing passes", ErrSilent, true, true},
		{"something in between refuses", &RefusedError{Status: 403}, true, true},
		{"the server refuses", &RefusedError{Status: 403, Code: "not_allowed"}, false, false},
		{"it is to come back later", &RefusedError{Status: 503, RetryAfter: time.Second}, false, false},
		{"the server ends it", &DisconnectError{Code: "shutting_down"}, false, false},
		{"it breaks", errors.New("connection reset"), true, false},
		{"another protocol", errNotRingdown, true, true},
	} {
		all := []transport{{name: WebSocket}, {name: EventStream}, {name: LongPolling}}
		c := newChooser(all, nil, "")
		if got := c.failed(test.err); got != test.first {
			t.Errorf("%s: the next after the best: %v", test.name, got)
		}
		c.at = 1
		if got := c.failed(test.err); got != test.second {
			t.Errorf("%s: the next after another: %v", test.name, got)
		}
		c = newChooser(all, nil, "")
		c.worked()
		for i := range tries {
			if got := c.failed(test.err); got != (test.first && i == tries-1) {
				t.Errorf("%s: the next after %d failures of what has worked: %v", test.name, i+1, got)
			}
		}
	}
}

func TestASilentConnectionIsNoticed(t *testing.T) {
	for _, test := range []struct {
		wake   bool
		within time.Duration
	}{{false, 15 * time.Second}, {true, lookTimeout}} {
		only := &madeUp{name: WebSocket}
		var causes []error
		options := Options{Observe: func(change Change) { causes = append(causes, change.Err) }}
		inWorld(t, options, []*madeUp{only}, func(t *testing.T, c *Client) {
			after(time.Hour)
			if c.State() != Open || len(causes) != 1 {
				t.Fatalf("it was %v", causes)
			}
			only.set(nil, true)
			if test.wake {
				c.Wake()
			}
			after(test.within)
			if len(causes) < 2 || !errors.Is(causes[1], ErrSilent) {
				t.Errorf("woken %v: it was %v", test.wake, causes)
			}
		})
	}
}

func TestWakeHasTheClientTryAtOnceUnlessTheServerSaidWhen(t *testing.T) {
	for _, test := range []struct {
		name   string
		refuse error
		wait   time.Duration
		want   State
	}{
		{"nobody answers", errNobody, 0, Open},
		{"the server said when", &RefusedError{Status: 503, RetryAfter: time.Hour}, 0, Waiting},
		{"the server said when, and that is over", &RefusedError{Status: 503, RetryAfter: time.Hour}, time.Hour + time.Minute, Open},
	} {
		only := &madeUp{name: WebSocket, refuse: test.refuse}
		inWorld(t, Options{MinBackoff: time.Minute, MaxBackoff: time.Hour}, []*madeUp{only}, func(t *testing.T, c *Client) {
			after(0)
			only.set(nil, false)
			c.Wake()
			after(test.wait)
			if c.State() != test.want {
				t.Errorf("%s: it is %v", test.name, c.State())
			}
		})
	}
}

func TestAPublicationThatWasSentTooLongAgoIsNotSentAgain(t *testing.T) {
	for _, test := range []struct {
		away time.Duration
		want error
		sent int
	}{{time.Minute, nil, 2}, {repeatable + time.Second, ErrUnknown, 1}} {
		only := &madeUp{name: WebSocket}
		inWorld(t, Options{}, []*madeUp{only}, func(t *testing.T, c *Client) {
			done := make(chan error, 1)
			go func() {
				_, err := c.Publish(t.Context(), Publication{Channel: "a"})
				done <- err
			}()
			after(time.Second) // it was sent
			only.set(errNobody, false)
			only.cut()
			after(test.away)
			only.answer = func(*order) *heard { return &heard{Type: "published", Offset: 1} }
			only.set(nil, false)
			if err := <-done; !errors.Is(err, test.want) {
				t.Errorf("away for %v: %v", test.away, err)
			}
			_, orders := only.has()
			if len(orders) != test.sent || orders[0].IdempotencyKey != orders[len(orders)-1].IdempotencyKey {
				t.Errorf("away for %v: sent %+v", test.away, orders)
			}
		})
	}
}

func TestWhatAServerThatShutsDownRefusesIsForTheNextConnection(t *testing.T) {
	only := &madeUp{name: WebSocket, answer: func(*order) *heard { return &heard{Type: "error", Code: "shutting_down"} }}
	inWorld(t, Options{}, []*madeUp{only}, func(t *testing.T, c *Client) {
		done := make(chan error, 1)
		go func() {
			_, err := c.Publish(t.Context(), Publication{Channel: "a"})
			done <- err
		}()
		after(time.Second)
		only.mu.Lock()
		only.answer = func(*order) *heard { return &heard{Type: "published"} }
		only.mu.Unlock()
		only.cut()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestATokenIsRenewedWhenATenthOfItsLifeIsLeft(t *testing.T) {
	for life, margin := range map[time.Duration]time.Duration{100 * time.Second: 10 * time.Second, time.Hour: longestMargin} {
		only := &madeUp{name: WebSocket}
		var asked []time.Duration
		var began time.Time
		options := Options{Token: func(_ context.Context, renew bool) (string, error) {
			if !renew {
				began = time.Now()
			}
			asked = append(asked, time.Since(began))
			claims := fmt.Appendf(nil, `{"exp":%d}`, time.Now().Add(life).Unix())
			return "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".", nil
		}}
		inWorld(t, options, []*madeUp{only}, func(t *testing.T, c *Client) {
			after(2*life - time.Second)
			if attempts, orders := only.has(); attempts != 1 || len(orders) != 2 || orders[0].Type != "authenticate" || orders[0].Token == orders[1].Token {
				t.Errorf("%d attempts, %+v", attempts, orders)
			}
		})
		if want := []time.Duration{0, life - margin, 2 * (life - margin)}; !slices.Equal(asked, want) {
			t.Errorf("tokens that live %v were asked for after %v, want %v", life, asked, want)
		}
	}
}

func TestExpiry(t *testing.T) {
	for claims, want := range map[string]int64{`{"exp":7}`: 7000, `{"exp":7.5}`: 7500, `{}`: 0, `{"exp":"7"}`: 0, `{"exp":-1}`: 0, `{"exp":1e300}`: 0, `x`: 0} {
		got := expiry("e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x")
		if want == 0 && !got.IsZero() || want != 0 && got.UnixMilli() != want {
			t.Errorf("%s ends at %v", claims, got)
		}
	}
	for _, token := range []string{"", "a", "a.b", "a.?.c"} {
		if got := expiry(token); !got.IsZero() {
			t.Errorf("%q ends at %v", token, got)
		}
	}
}
