package client_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/hub"
)

var transports = []client.Transport{client.WebSocket, client.EventStream, client.LongPolling}

// over are quick options for one transport.
func over(t client.Transport) client.Options {
	options := quick
	options.Transports = []client.Transport{t}
	return options
}

func publish(t testing.TB, c *client.Client, channel, text string) client.Receipt {
	t.Helper()
	r, err := c.Publish(within(t), client.Publication{Channel: channel, Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// startEater starts a proxy that accepts the Upgrade and eats what comes after it.
func startEater(t testing.TB, target string) string {
	t.Helper()
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	pass.FlushInterval = -1
	pass.ErrorLog = log.New(io.Discard, "", 0)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			pass.ServeHTTP(w, r)
			return
		}
		if err := upgradeAndEat(w, r, target); err != nil {
			fmt.Fprintln(t.Output(), "the proxy:", err)
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s.URL
}

func upgradeAndEat(w http.ResponseWriter, r *http.Request, target string) error {
	far, err := net.Dial("tcp", target)
	if err != nil {
		return err
	}
	defer far.Close()
	if err := r.Write(far); err != nil {
		return err
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer near.Close()
	answers := bufio.NewReader(far)
	for { // the answer's head ends with an empty line
		line, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		io.WriteString(near, line)
		if strings.TrimSpace(line) == "" {
			break
		}
	}
	go func() {
		io.Copy(io.Discard, answers)
		near.Close()
	}()
	io.Copy(io.Discard, near)
	return nil
}

func TestAProxyThatEatsFramesAfterTheUpgradeDoesNotFoolTheClient(t *testing.T) {
	t.Parallel() // most of it is waiting
	n := startNode(t)
	var states stateLog
	options := quick
	options.Observe = states.note
	c := client.New(startEater(t, n.address), options)
	t.Cleanup(func() { c.Close() })
	s := subscribe(t, c, "kept", client.SubscribeOptions{})
	for i := range 3 {
		if r := publish(t, c, "kept", fmt.Sprint(i)); r.Offset != uint64(i+1) {
			t.Errorf("offset %d of publication %d", r.Offset, i)
		}
		nextText(t, s, fmt.Sprint(i))
	}
	if got := c.Transport(); got != client.EventStream {
		t.Errorf("the client is open over %s", got)
	}
	if got := states.all(); !slices.Equal(got, []client.State{client.Open}) || states.last().Transport != client.EventStream {
		t.Errorf("states %v, last %+v", got, states.last())
	}
}

func TestEveryTransportTellsTheSame(t *testing.T) {
	n := startNode(t)
	for _, transport := range transports {
		t.Run(string(transport), func(t *testing.T) {
			channel := "kept " + string(transport)
			c := dial(t, "http://"+n.address+"/connect?user=ann", over(transport))
			n.publish(channel, "before")
			s := subscribe(t, c, channel, client.SubscribeOptions{})
			for i, p := range []client.Publication{
				{Kind: client.Text, Data: []byte("<é>\u2028\"\\\n\r")},
				{Kind: client.JSON, Data: []byte(`{"b": 1e400, "a":[null]}`), Event: "price", Key: "AAPL"},
				{Kind: client.Binary, Data: []byte{0, 0xff, '"'}, Event: "gap"},
				{Kind: client.Text, Data: []byte{}, Event: "end"},
			} {
				p.Channel = channel
				r, err := c.Publish(within(t), p)
				if err != nil {
					t.Fatal(err)
				}
				m := next(t, s).(*client.Message)
				if m.Kind != p.Kind || string(m.Data) != string(p.Data) || m.Event != p.Event || m.Key != p.Key || m.User != "ann" ||
					m.Offset != uint64(i+2) || r.Offset != m.Offset || !r.Time.Equal(m.Time) || m.Channel != channel {
					t.Errorf("%+v came as %+v, receipt %+v", p, m, r)
				}
			}
			h, err := c.History(within(t), channel, "", 2)
			if err != nil || len(h.Messages) != 2 || h.Messages[1].Channel != channel || h.More || h.Recovered {
				t.Errorf("%+v, %v", h, err)
			}
			if h, err = c.History(within(t), channel, h.Messages[0].Cursor, 1); err != nil || len(h.Messages) != 1 || !h.Recovered {
				t.Errorf("%+v, %v", h, err)
			}
			_, err = c.Publish(within(t), client.Publication{Channel: "served"})
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "not_allowed" {
				t.Error(err)
			}
			_, err = c.Subscribe(within(t), strings.Repeat("long", 100), client.SubscribeOptions{})
			if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "bad_channel" {
				t.Error(err)
			}
			if _, err := c.Ping(within(t)); err != nil {
				t.Error(err)
			}
			publish(t, c, channel, "after")
			nextText(t, s, "after")
		})
	}
}

func TestWithoutAWebSocketThereAreLimits(t *testing.T) {
	n := startNode(t)
	for _, transport := range transports[1:] {
		c := dial(t, "http://"+n.address, over(transport))
		code := func(err error) string {
			e, _ := errors.AsType[*client.Error](err)
			if e == nil {
				return fmt.Sprint(err)
			}
			return e.Code
		}
		if _, _, err := c.Call(within(t), "echo", "", client.Text, nil); code(err) != "needs_websocket" {
			t.Errorf("%s: %v", transport, err)
		}
		if _, err := c.Presence(within(t), "kept", 10); code(err) != "needs_websocket" {
			t.Errorf("%s: %v", transport, err)
		}
		for i := range 32 {
			subscribe(t, c, fmt.Sprint("live", i), client.SubscribeOptions{})
		}
		if _, err := c.Subscribe(within(t), "live", client.SubscribeOptions{}); code(err) != "too_many_subscriptions" {
			t.Errorf("%s: %v", transport, err)
		}
	}
}

func TestNothingIsMissedWithManyChannelsOverAnyTransport(t *testing.T) {
	n := startNode(t)
	for _, transport := range transports {
		t.Run(string(transport), func(t *testing.T) {
			p := startProxy(t, n.address)
			c := dial(t, p.url(), over(transport))
			all := make([]*client.Subscription, 32)
			for i := range all {
				all[i] = subscribe(t, c, fmt.Sprint("kept ", transport, i), client.SubscribeOptions{})
			}
			for round := range 3 {
				for _, s := range all[round*8:] { // some have nothing to tell for long
					n.publish(s.Channel(), fmt.Sprint(round))
				}
				p.cut()
				for _, s := range all[round*8:] {
					n.publish(s.Channel(), fmt.Sprint(round, "again"))
				}
				for _, s := range all[round*8:] {
					nextText(t, s, fmt.Sprint(round))
					nextText(t, s, fmt.Sprint(round, "again"))
				}
			}
		})
	}
}

func TestAPausedServerIsNoticedAndNothingIsLost(t *testing.T) {
	t.Parallel() // most of it is waiting
	n := startNode(t)
	for _, transport := range transports {
		t.Run(string(transport), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			p := startProxy(t, n.address)
			var states stateLog
			options := over(transport)
			options.Heartbeat = client.Heartbeat{Interval: 50 * time.Millisecond, Timeout: time.Second}
			options.Observe = states.note
			c := dial(t, p.url(), options)
			channel := "kept " + string(transport)
			s := subscribe(t, c, channel, client.SubscribeOptions{})
			n.publish(channel, "1")
			nextText(t, s, "1")
			p.swallow()
			n.publish(channel, "2")
			states.wait(t, client.Waiting)
			if err := states.first(client.Waiting).Err; !errors.Is(err, client.ErrSilent) {
				t.Error(err)
			}
			p.cut()
			nextText(t, s, "2")
		})
	}
}

func TestTheServerTakesClientsOutOfAnEventStream(t *testing.T) {
	n := startNode(t)
	c := dial(t, "http://"+n.address, over(client.EventStream))
	other := subscribe(t, c, "kept too", client.SubscribeOptions{})
	s := subscribe(t, c, "kept", client.SubscribeOptions{})
	var sessions []*hub.Session
	until(t, "the stream has both channels", func() bool {
		sessions = n.hub.SessionsIn("kept")
		return len(sessions) == 1
	})
	sessions[0].Expel("kept", "enough")
	_, err := s.Next(within(t))
	if e, ok := errors.AsType[*client.UnsubscribedError](err); !ok || e.Reason != "enough" {
		t.Error(err)
	}
	n.publish("kept too", "still there")
	nextText(t, other, "still there")
	sessions[0].End(hub.Errorf(hub.NotAllowed, "go away"))
	until(t, "the client is closed", func() bool { return c.State() == client.Closed })
	if e, ok := errors.AsType[*client.DisconnectError](c.Err()); !ok || e.Code != "not_allowed" || e.Reconnect {
		t.Error(c.Err())
	}
}

func TestAnAddressThatIsNoneIsToldAtOnce(t *testing.T) {
	for _, address := range []string{"", "localhost:8000", "ftp://localhost", "ws://h h/"} {
		if _, err := client.Dial(within(t), address, client.Options{}); err == nil || !strings.Contains(err.Error(), "address") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := client.Dial(within(t), "ws://localhost", client.Options{Transports: []client.Transport{"pigeon"}}); err == nil || !strings.Contains(err.Error(), "pigeon") {
		t.Error(err)
	}
}
