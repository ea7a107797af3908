package channelhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// told is what a client hears at the end.
type told struct {
	at     time.Time
	within time.Duration // to come back; 0 if it has no words for that
}

// A slow machine may tell everybody later, but none may hear earlier than an even spread has it.
func TestAGoodbyeIsSpreadOverTheWindowAndAllAreToldWhenToComeBack(t *testing.T) {
	const each, window = 40, 1200 * time.Millisecond // 160 clients would take 1.6 s
	n := start(t, hub.Options{}, channelhttp.Options{})
	var all, waiting []told
	var mu sync.Mutex
	var clients sync.WaitGroup
	note := func(to *[]told, within time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		*to = append(*to, told{time.Now(), within})
	}
	for range each {
		c, events, flow := n.join("lobby"), n.listen(path("lobby")).begin(t), n.listenUpstream(path("lobby")).begin(t)
		clients.Go(func() {
			if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
				t.Errorf("a WebSocket was closed with %v", err)
			}
			note(&all, 0)
		})
		clients.Go(func() { note(&all, endOf(t, events)) })
		clients.Go(func() { note(&waiting, endOf(t, flow)) })
		clients.Go(func() { note(&waiting, n.lastPoll(t)) })
	}
	n.until(func() bool { return n.hub.Sessions() == 4*each })
	began := time.Now()
	if err := n.gateway.ShutdownOver(t.Context(), window); err != nil {
		t.Error(err)
	}
	clients.Wait()

	slices.SortFunc(all, func(a, b told) int { return a.at.Compare(b.at) })
	for i, c := range all {
		at, due := c.at.Sub(began), window*time.Duration(i)/time.Duration(len(all))
		if at < due-60*time.Millisecond { // they go in rounds of 20 ms
			t.Errorf("client %d of %d was told after %v; evenly spread it is %v", i, len(all), at, due)
		}
	}
	early, returns := 0, make(map[time.Duration]bool)
	for _, c := range waiting {
		if c.at.Sub(began) < window/2 {
			early++
		}
	}
	if early > len(waiting)*9/10 {
		t.Errorf("of %d that are not on lines %d were told in the first half of the window", len(waiting), early)
	}
	timed := 0
	for _, c := range append(waiting, all...) {
		if c.within == 0 {
			continue
		}
		timed++
		returns[c.within] = true
		if c.within > window {
			t.Errorf("one is to come back after %v, the window is %v", c.within, window)
		}
	}
	if timed != 3*each || len(returns) < each/2 {
		t.Errorf("%d were told when to come back, with %d different times", timed, len(returns))
	}
}

// endOf reads an event stream to its end, and returns when to come back.
func endOf(t *testing.T, r *eventReader) time.Duration {
	r.retry = ""
	e, err := r.next()
	var said struct {
		Code       hub.Code
		RetryAfter float64 `json:"retry_after"`
	}
	if err != nil || e.name != "end" || json.Unmarshal([]byte(e.data), &said) != nil || said.Code != hub.ShuttingDown || said.RetryAfter <= 0 {
		t.Errorf("the stream ends with %+v, %v", e, err)
	}
	if _, err := r.next(); err == nil {
		t.Error("the stream goes on")
	}
	retry, err := strconv.Atoi(r.retry)
	if wait := math.Round(said.RetryAfter * 1000); err != nil || float64(retry) != max(wait, 500) {
		t.Errorf("retry is %q, retry_after %v", r.retry, said.RetryAfter)
	}
	return time.Duration(said.RetryAfter * float64(time.Second))
}

// lastPoll waits for something that never comes, and returns when to come back.
func (n *node) lastPoll(t *testing.T) time.Duration {
	response, body := n.do("GET", path("lobby")+"wait=60s", nil, "")
	var said struct {
		Messages   []any
		Cursor     string
		RetryAfter float64 `json:"retry_after"`
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil || said.RetryAfter <= 0 || said.Cursor == "" || len(said.Messages) != 0 {
		t.Errorf("the poll was answered with %s, %v", body, err)
	}
	seconds, err := strconv.ParseFloat(response.Header.Get("Retry-After"), 64)
	if err != nil || seconds < said.RetryAfter || seconds > said.RetryAfter+1 {
		t.Errorf("Retry-After is %q, retry_after %v", response.Header.Get("Retry-After"), said.RetryAfter)
	}
	return time.Duration(said.RetryAfter * float64(time.Second))
}

func TestAPollWhileTheGatewayLeavesIsAnsweredWithWhatComes(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	for range 6000 { // so that the farewell is long
		if _, err := n.hub.Open(quiet{}, hub.Identity{}); err != nil {
			t.Fatal(err)
		}
	}
	answers := make(chan string, 1)
	go func() {
		_, body := n.do("GET", path("lobby")+"wait=60s", nil, "")
		answers <- body
	}()
	n.until(func() bool { return n.hub.Subscribers("lobby") == 1 })
	ended := make(chan error, 1)
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	go func() { ended <- n.gateway.ShutdownOver(ctx, time.Hour) }()
	n.until(func() bool {
		response, _ := n.do("GET", path("lobby"), nil, "")
		return response.Header.Get("Retry-After") != ""
	})
	n.publish("lobby", "news")
	if body := <-answers; !strings.Contains(body, `"retry_after":`) { // with the news, unless its turn came before
		t.Errorf("the poll was answered with %s", body)
	}
	enough()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for s := range n.hub.All {
		s.Close()
	}
}

// quiet is a client of some other gateway.
type quiet struct{}

func (quiet) Receive(*hub.Publication) hub.Reception { return hub.Taken }
func (quiet) Notify(*hub.Notice)                     {}
func (quiet) End(error)                              {}
