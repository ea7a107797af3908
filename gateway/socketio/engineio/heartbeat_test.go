// Heartbeats, to the millisecond: in a bubble of synctest, where only polling is needed.

package engineio_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
)

const (
	beatInterval = 300 * time.Millisecond
	beatTimeout  = 200 * time.Millisecond
	beatEarly    = 20 * time.Millisecond // by which pings and time-outs may come too early
)

// bubble is a server without a network.
type bubble struct {
	t      *testing.T
	server *engineio.Server
	last   atomic.Pointer[engineio.Conn] // the last session
	ended  chan engineio.Reason
}

func newBubble(t *testing.T, h engineio.Handler) *bubble {
	b := &bubble{t: t, ended: make(chan engineio.Reason, 100)}
	h.Open = func(c *engineio.Conn) { b.last.Store(c) }
	h.Close = func(_ *engineio.Conn, reason engineio.Reason, _ error) { b.ended <- reason }
	var err error
	b.server, err = engineio.New(h, &engineio.Options{NoWebSocket: true, PingInterval: beatInterval, PingTimeout: beatTimeout})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bubble) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b.server.Shutdown(ctx)
	time.Sleep(time.Minute) // timers of sessions that were kept
}

// do answers a request, and tells the body if the status is 200.
func (b *bubble) do(method, sid, body string) (string, int) {
	r := httptest.NewRequestWithContext(b.t.Context(), method, "/?EIO=4&transport=polling&sid="+sid, strings.NewReader(body))
	w := httptest.NewRecorder()
	b.server.ServeHTTP(w, r)
	return w.Body.String(), w.Code
}

// dial begins a session.
func (b *bubble) dial() (sid string) {
	body, _ := b.do(http.MethodGet, "", "")
	return openingOf(b.t, body).SID
}

// wantAbout fails if not about d has passed since.
func (b *bubble) wantAbout(what string, since time.Time, d time.Duration) {
	b.t.Helper()
	if took := time.Since(since); took > d || took < d-beatEarly {
		b.t.Errorf("%s after %v, want %v", what, took, d)
	}
}

func TestPingsComeOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, engineio.Handler{})
		sid, since := b.dial(), time.Now()
		for range 5 {
			if body, status := b.do("GET", sid, ""); body != "2" || status != 200 {
				t.Fatalf("%d %q, want a ping", status, body)
			}
			b.wantAbout("ping", since, beatInterval)
			time.Sleep(100 * time.Millisecond)
			b.do("POST", sid, "3")
			since = time.Now() // the next counts from the pong
		}
		b.stop()
	})
}

func TestASessionWithoutPongsEndsOnTime(t *testing.T) {
	for _, polls := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, engineio.Handler{})
			sid, since := b.dial(), time.Now()
			if polls {
				b.do("GET", sid, "")
			}
			if reason := <-b.ended; reason != engineio.PingTimeout {
				t.Errorf("ended for %q", reason)
			}
			b.wantAbout("end", since, beatInterval+beatTimeout)
			time.Sleep(time.Until(since.Add(beatInterval + beatTimeout)))
			if _, status := b.do("GET", sid, ""); status != 400 {
				t.Errorf("%d at the time of its end", status)
			}
			b.stop()
		})
	}
}

func TestAPongThatNobodyAskedForChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, engineio.Handler{})
		sid, since := b.dial(), time.Now()
		time.Sleep(beatInterval - 10*beatEarly)
		b.do("POST", sid, "3")
		if body, _ := b.do("GET", sid, ""); body != "2" {
			t.Errorf("%q", body)
		}
		b.wantAbout("ping", since, beatInterval)
		b.stop()
	})
}

func TestManySessionsBeatInTheirOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, engineio.Handler{})
		const sessions, apart = 1000, time.Millisecond
		done := make(chan bool)
		for i := range sessions {
			go func() {
				time.Sleep(time.Duration(i) * apart)
				sid, since := b.dial(), time.Now()
				for range i % 4 { // some die earlier
					b.do("GET", sid, "")
					b.wantAbout("ping", since, beatInterval)
					b.do("POST", sid, "3")
					since = time.Now()
				}
				b.do("GET", sid, "")
				if body, _ := b.do("GET", sid, ""); body != "1" {
					t.Errorf("%q, want the end", body)
				}
				b.wantAbout("end", since, beatInterval+beatTimeout)
				done <- true
			}()
		}
		for range sessions {
			<-done
			<-b.ended
		}
		b.stop()
	})
}

func TestAClientThatIsNotHeardIsNotBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const away = 10 * time.Second
		b := newBubble(t, engineio.Handler{Message: func(c *engineio.Conn, _ bool, _ []byte) { c.Go(func() { time.Sleep(away) }) }})
		sid := b.dial()
		if body, _ := b.do("POST", sid, "4x"); body != "ok" {
			t.Errorf("%q", body)
		}
		since := time.Now()
		if body, _ := b.do("GET", sid, ""); body != "2" {
			t.Errorf("%q", body)
		}
		b.do("POST", sid, "3") // waits for the function
		b.wantAbout("pong", since, away)
		since = time.Now()
		if body, _ := b.do("GET", sid, ""); body != "2" {
			t.Errorf("%q", body)
		}
		b.wantAbout("ping", since, beatInterval)
		if reason := <-b.ended; reason != engineio.PingTimeout {
			t.Errorf("ended for %q", reason)
		}
		b.wantAbout("end", since, beatInterval+beatTimeout)
		b.stop()
	})
}

func TestAPongConfirmsWhatWasSentBeforeItsPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, engineio.Handler{})
		sid := b.dial()
		want := func(what string, seq uint64) {
			t.Helper()
			if got := b.last.Load().Confirmed(); got != seq {
				t.Errorf("%s: confirmed %d, want %d", what, got, seq)
			}
		}
		for i := range uint64(3) {
			if seq, err := b.last.Load().Send(false, []byte("x")); seq != i+1 || err != nil {
				t.Errorf("%d, %v", seq, err)
			}
		}
		b.do("GET", sid, "")
		want("fetched only", 0)
		b.do("GET", sid, "")
		b.last.Load().SendPrepared(engineio.Prepare([]byte("y"), []byte{1})) // counts as one
		want("pinged", 0)
		b.do("POST", sid, "3")
		want("answered", 3)
		b.do("POST", sid, "3")
		want("answered twice", 3)
		time.Sleep(beatInterval)
		b.do("GET", sid, "")
		b.do("POST", sid, "3")
		want("answered again", 4)
		b.stop()
	})
}

func TestWhatWasKeptIsGoneAfterAWhile(t *testing.T) {
	for wait, want := range map[time.Duration]int{29 * time.Second: 200, 31 * time.Second: 400} {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, engineio.Handler{})
			sid := b.dial()
			b.last.Load().Close(engineio.ForcedClose)
			time.Sleep(wait)
			if body, status := b.do("GET", sid, ""); status != want {
				t.Errorf("after %v: %d %q, want %d", wait, status, body, want)
			}
			b.stop()
		})
	}
}

// Over two connections the POST that closes may overtake the GET that was sent before it.
func TestAGetThatCrossesWithTheClosingPostIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, engineio.Handler{})
		sid := b.dial()
		posted := make(chan string)
		go func() {
			body, _ := b.do("POST", sid, "1")
			posted <- body
		}()
		time.Sleep(10 * time.Millisecond)
		if body, status := b.do("GET", sid, ""); body != "6" {
			t.Errorf("GET: %d %q", status, body)
		}
		if body := <-posted; body != "ok" {
			t.Errorf("POST: %q", body)
		}
		if _, status := b.do("GET", sid, ""); status != 400 {
			t.Errorf("the next GET: %d", status)
		}
		sid = b.dial()
		b.do("POST", sid, "1")
		if _, status := b.do("GET", sid, ""); status != 400 {
			t.Errorf("a GET behind the answer: %d", status)
		}
		b.stop()
	})
}
