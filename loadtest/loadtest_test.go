package loadtest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/loadtest"
	"github.com/ringdown/ringdown/websocket"
)

const (
	moment  = 30 * time.Millisecond // that messages flow in a test
	forever = time.Hour
)

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// answering runs a server that answers each message with what answer says; n counts the messages of a connection.
func answering(t *testing.T, answer func(c *websocket.Conn, n int, m websocket.Message)) string {
	return serve(t, websocket.Handler(func(c *websocket.Conn) {
		n := 0
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				return
			}
			answer(c, n, m)
			n++
		}
	}, nil))
}

func back(c *websocket.Conn, m websocket.Message) { c.Write(context.Background(), m.Type, m.Data) }

func echoing(t *testing.T) string {
	return answering(t, func(c *websocket.Conn, _ int, m websocket.Message) { back(c, m) })
}

// room is a server that sends what one client says to all. What a client says is the n-th message of the room, and skip
// says who does not hear it.
func room(t *testing.T, skip func(n, member int, c *websocket.Conn) bool) string {
	var mu sync.Mutex
	var members []*websocket.Conn
	said := 0
	return serve(t, websocket.Handler(func(c *websocket.Conn) {
		mu.Lock()
		members = append(members, c)
		mu.Unlock()
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				return
			}
			mu.Lock()
			for i, member := range members {
				if !skip(said, i, member) {
					back(member, m)
				}
			}
			said++
			mu.Unlock()
		}
	}, nil))
}

func everybody(int, int, *websocket.Conn) bool { return false }

func (w wanted) check(t *testing.T, r *loadtest.Result, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if r.Opened != w.opened || r.Lost != w.lost || r.Interrupted {
		t.Errorf("%d opened, %d lost, interrupted: %v; want %d and %d", r.Opened, r.Lost, r.Interrupted, w.opened, w.lost)
	}
	if len(r.Errors) != len(w.errors) {
		t.Errorf("errors %v, want those that say %q", r.Errors, w.errors)
	}
	for _, want := range w.errors {
		found := false
		for kind := range r.Errors {
			found = found || strings.Contains(kind, want)
		}
		if !found {
			t.Errorf("errors %v, want one that says %q", r.Errors, want)
		}
	}
}

type wanted struct {
	opened, lost int
	errors       []string
}

func TestEchoCountsEveryAnswer(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]loadtest.Options{
		"one in flight":  {Connections: 3},
		"many in flight": {Connections: 3, InFlight: 8, Size: 5000},
		"at a rate":      {Connections: 3, Rate: 1000, InFlight: 2},
		"compressed": {Connections: 2, Size: 2000, Dial: websocket.DialOptions{
			Compression: websocket.Compression{Mode: websocket.CompressionTakeover},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o.URL, o.Duration = echoing(t), moment
			r, err := loadtest.Echo(t.Context(), o)
			wanted{opened: o.Connections}.check(t, r, err)
			if r.Sent < o.Connections || r.Messages != r.Sent || r.Latencies.Count() != r.Sent {
				t.Errorf("%d sent, %d answered, %d timed", r.Sent, r.Messages, r.Latencies.Count())
			}
			if o.Size > 0 && r.Bytes != o.Size*r.Messages {
				t.Errorf("%d bytes in %d messages of %d", r.Bytes, r.Messages, o.Size)
			}
			if r.Elapsed < moment || r.Rate() <= 0 || r.Throughput() < r.Rate() || r.Latencies.Max() <= 0 {
				t.Errorf("elapsed %v, %v messages and %v bytes a second, at most %v", r.Elapsed, r.Rate(), r.Throughput(), r.Latencies.Max())
			}
		})
	}
}

func TestARateIsKept(t *testing.T) {
	t.Parallel()
	r, err := loadtest.Echo(t.Context(), loadtest.Options{URL: echoing(t), Connections: 4, Rate: 200, Duration: 100 * time.Millisecond})
	wanted{opened: 4}.check(t, r, err)
	if r.Sent < 1 || r.Sent > 25 {
		t.Errorf("%d messages in a tenth of a second at 200 a second", r.Sent)
	}
}

func TestEchoCountsWhatGoesWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		answer func(c *websocket.Conn, n int, m websocket.Message)
		want   wanted
	}{
		{
			"other bytes",
			func(c *websocket.Conn, n int, m websocket.Message) {
				if n == 2 {
					m.Data[0] ^= 1
				}
				back(c, m)
			},
			wanted{opened: 2, errors: []string{"not what was sent"}},
		},
		{
			"silence",
			func(c *websocket.Conn, n int, m websocket.Message) {
				if n != 2 {
					back(c, m)
				}
			},
			wanted{opened: 2, errors: []string{"no answer within"}},
		},
		{
			"goodbye",
			func(c *websocket.Conn, n int, m websocket.Message) {
				if n == 2 {
					c.Close(websocket.StatusTryAgainLater, "too busy")
					return
				}
				back(c, m)
			},
			wanted{opened: 2, lost: 2, errors: []string{"1013", "answer lost"}},
		},
		{
			"cut",
			func(c *websocket.Conn, n int, m websocket.Message) {
				if n == 2 {
					c.CloseNow()
					return
				}
				back(c, m)
			},
			wanted{opened: 2, lost: 2, errors: []string{"connection lost", "answer lost"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := answering(t, test.answer)
			r, err := loadtest.Echo(t.Context(), loadtest.Options{URL: url, Connections: 2, Duration: moment, Patience: time.Second})
			test.want.check(t, r, err)
		})
	}
}

func TestAnAnswerTooManyIsCounted(t *testing.T) {
	t.Parallel()
	url := answering(t, func(c *websocket.Conn, _ int, m websocket.Message) {
		back(c, m)
		c.Write(context.Background(), websocket.Text, []byte("by the way"))
	})
	const once = 0.001 // a second: there is one message only
	r, err := loadtest.Echo(t.Context(), loadtest.Options{URL: url, Connections: 1, Rate: once, Duration: 200 * time.Millisecond})
	wanted{opened: 1, errors: []string{"answers nothing"}}.check(t, r, err)
}

func TestEchoRefusesAServerThatIsNone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ url, want string }{
		"silent":  {answering(t, func(*websocket.Conn, int, websocket.Message) {}), "did not come back"},
		"sharing": {room(t, everybody), "use fanout"},
		"absent":  {"ws://127.0.0.1:1/", "refused"},
	} {
		r, err := loadtest.Echo(t.Context(), loadtest.Options{URL: test.url, Duration: forever, Patience: time.Second})
		if r != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v; want an error that says %q", name, r, err, test.want)
		}
	}
}

func TestIdleHoldsConnections(t *testing.T) {
	t.Parallel()
	var open, most atomic.Int64
	url := serve(t, websocket.Handler(func(c *websocket.Conn) {
		most.Store(max(open.Add(1), most.Load()))
		defer open.Add(-1)
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				return
			}
			back(c, m)
		}
	}, nil))
	o := loadtest.Options{URL: url, Connections: 20, Duration: moment}
	if runtime.GOOS == "linux" {
		o.PID = os.Getpid()
	}
	r, err := loadtest.Idle(t.Context(), o)
	wanted{opened: 20}.check(t, r, err)
	if !r.Echoed || r.Messages != 20 || most.Load() < 20 || r.Elapsed < moment {
		t.Errorf("echoed: %v, %d messages, %d open at a time, held %v", r.Echoed, r.Messages, most.Load(), r.Elapsed)
	}
	if o.PID == 0 {
		return
	}
	if s := r.Server; s.Before.CPU <= 0 || s.After.CPU <= s.Before.CPU || s.After.Anonymous == 0 || s.After.Resident < s.After.Anonymous {
		t.Errorf("this process used %+v", s)
	}
	if r.CPUPerMessage() <= 0 {
		t.Errorf("a message took %v", r.CPUPerMessage())
	}
}

func TestIdleNeedsNoEcho(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"silent":  answering(t, func(*websocket.Conn, int, websocket.Message) {}),
		"sharing": room(t, everybody),
	} {
		r, err := loadtest.Idle(t.Context(), loadtest.Options{URL: url, Connections: 5, Duration: moment, Patience: time.Second})
		wanted{opened: 5}.check(t, r, err)
		if r.Echoed || r.Messages != 0 {
			t.Errorf("%s: echoed %d messages", name, r.Messages)
		}
	}
}

func TestIdleNoticesConnectionsThatEnd(t *testing.T) {
	t.Parallel()
	url := answering(t, func(c *websocket.Conn, _ int, m websocket.Message) {
		back(c, m)
		c.Close(websocket.StatusServiceRestart, "")
	})
	r, err := loadtest.Idle(t.Context(), loadtest.Options{URL: url, Connections: 3, Duration: 100 * time.Millisecond})
	wanted{opened: 3, lost: 3, errors: []string{"1012"}}.check(t, r, err)
}

func TestTheContextEndsARunEarly(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(context.Context, loadtest.Options) (*loadtest.Result, error){
		"idle": loadtest.Idle, "echo": loadtest.Echo, "fanout": loadtest.Fanout,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := loadtest.Options{URL: echoing(t), Connections: 2, Duration: forever}
			if name == "fanout" {
				o.URL = room(t, everybody)
			}
			o.Progress = func(p loadtest.Progress) {
				if p.Phase == "running" {
					cancel()
				}
			}
			r, err := run(ctx, o)
			if err != nil || !r.Interrupted || r.Opened != 2 || len(r.Errors) > 0 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestFanoutCountsEveryDelivery(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]loadtest.Options{
		"one at a time": {Connections: 5},
		"a stream":      {Connections: 5, InFlight: 16, Size: 1000},
		"at a rate":     {Connections: 5, Rate: 500, InFlight: 4},
	} {
		t.Run(name, func(t *testing.T) {
			o.URL, o.Duration = room(t, everybody), moment
			r, err := loadtest.Fanout(t.Context(), o)
			wanted{opened: 5}.check(t, r, err)
			if r.Sent < 1 || r.Messages != 5*r.Sent || r.Latencies.Count() != r.Messages {
				t.Errorf("%d publications, %d deliveries, %d timed", r.Sent, r.Messages, r.Latencies.Count())
			}
		})
	}
}

func TestFanoutCountsWhatGoesWrong(t *testing.T) {
	t.Parallel()
	const late = 10 // message of the room, when all have been found to listen
	for _, test := range []struct {
		name string
		skip func(n, member int, c *websocket.Conn) bool
		want wanted
	}{
		{
			"a hole",
			func(n, member int, _ *websocket.Conn) bool { return n == late && member == 2 },
			wanted{opened: 4, errors: []string{"missed"}},
		},
		{
			"a lost subscriber",
			func(n, member int, c *websocket.Conn) bool {
				if n == late && member == 2 {
					go c.Close(websocket.StatusTryAgainLater, "too slow") // which waits for the peer's answer
				}
				return n >= late && member == 2
			},
			wanted{opened: 4, lost: 1, errors: []string{"1013", "lost subscriber"}},
		},
		{
			"the end of deliveries",
			func(n, _ int, _ *websocket.Conn) bool { return n >= late },
			wanted{opened: 4, errors: []string{"not delivered within"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := loadtest.Fanout(t.Context(), loadtest.Options{
				URL: room(t, test.skip), Connections: 4, InFlight: 8, Duration: moment, Patience: time.Second,
			})
			test.want.check(t, r, err)
		})
	}
}

func TestFanoutRefusesAServerThatDoesNotShare(t *testing.T) {
	t.Parallel()
	r, err := loadtest.Fanout(t.Context(), loadtest.Options{URL: echoing(t), Connections: 3, Patience: time.Second})
	if r != nil || err == nil || !strings.Contains(err.Error(), "3 of 3 subscribers heard nothing") {
		t.Errorf("%v, %v", r, err)
	}
}

func TestAFullServerIsNotPestered(t *testing.T) {
	t.Parallel()
	var taken atomic.Int64
	inner := websocket.Handler(func(c *websocket.Conn) {
		for range c.Messages(context.Background()) {
		}
	}, nil)
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if taken.Add(1) > 2+5 { // two are the probe's
			http.Error(w, "full", http.StatusServiceUnavailable)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	r, err := loadtest.Idle(t.Context(), loadtest.Options{
		URL: url, Connections: 1000, DialsAtOnce: 4, Duration: moment, Patience: time.Second,
	})
	wanted{opened: 5, errors: []string{"refused with status 503", "not tried"}}.check(t, r, err)
	if asked := taken.Load(); asked > 30 {
		t.Errorf("the server was asked %d times", asked)
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		o    loadtest.Options
		want string
	}{
		{loadtest.Options{Connections: -1}, "connections is negative"},
		{loadtest.Options{Rate: -1}, "negative"},
		{loadtest.Options{Connections: 1 << 40}, "ulimit -n"},
		{loadtest.Options{Size: 10}, "64 are the least"},
		{loadtest.Options{PID: 1 << 30}, "process"},
	} {
		test.o.URL = "ws://127.0.0.1:1/"
		if _, err := loadtest.Fanout(t.Context(), test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want an error that says %q", test.o, err, test.want)
		}
	}
}
