//go:build unix

package proxies

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/doctor"
	"github.com/ringdown/ringdown/websocket"
)

func TestEveryTransportPassesThroughTheDeployedConfiguration(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := k.behind(t)
			t.Run("WebSocket", s.passesWebSockets)
			t.Run("event stream", s.passesEventStreams)
			t.Run("long poll", s.passesLongPolls)
			if k.name != "caddy" { // whose redirection takes port 80
				t.Run("plain HTTP", s.redirectsPlain)
			}
			t.Run("doctor", func(t *testing.T) {
				report := s.examine(t, doctor.Options{Idle: time.Second})
				if report.Failures+report.Warnings > 0 {
					t.Errorf("the doctor is not content:\n%s", text(report))
				}
				if k.name != "haproxy" && !strings.Contains(strings.ToLower(text(report)), k.name+" answers") {
					t.Errorf("the doctor does not name %s:\n%s", k.name, text(report))
				}
			})
		})
	}
}

func (s *site) passesWebSockets(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(s.url, "https")+"/channels/socket", &websocket.DialOptions{
		TLSConfig: &tls.Config{RootCAs: s.roots}, Header: http.Header{"Origin": {s.url}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for _, said := range []string{"hello", strings.Repeat("long ", 8<<10)} {
		if err := c.Write(ctx, websocket.Text, []byte(said)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(ctx); err != nil || string(got) != said {
			t.Fatalf("%d bytes came back as %d: %v", len(said), len(got), err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

// passesEventStreams publishes only after the stream has begun, so an event that is held back never comes.
func (s *site) passesEventStreams(t *testing.T) {
	response := s.do(t, http.MethodGet, "/channels/events", "", "text/event-stream")
	lines := bufio.NewScanner(response.Body)
	next := func(prefix string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), prefix) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", prefix, lines.Err())
	}
	next("id: ")
	for i := range 3 {
		s.publish(t, "events", fmt.Sprint("event ", i))
		next(fmt.Sprint("data: event ", i))
	}
}

func (s *site) passesLongPolls(t *testing.T) {
	cursor := s.publish(t, "poll", "before")
	asked := make(chan *http.Response, 1)
	go func() { asked <- s.do(t, http.MethodGet, "/channels/poll?wait=30s&after="+cursor, "", "") }()
	s.publish(t, "poll", "after")
	response := <-asked
	if response == nil {
		return // do has said why
	}
	var got struct {
		Messages []struct{ Data string }
	}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil || len(got.Messages) != 1 || got.Messages[0].Data != "after" {
		t.Errorf("the poll got %v, %v", got, err)
	}
}

// redirectsPlain has the doctor come by http.
func (s *site) redirectsPlain(t *testing.T) {
	report, err := doctor.Examine(t.Context(), doctor.Options{URL: s.plain})
	if err != nil {
		t.Fatal(err)
	}
	if said := text(report); !strings.Contains(said, "308") || !strings.Contains(said, "it redirects to (https://127.0.0.1") {
		t.Errorf("the doctor does not say that https is to be used:\n%s", said)
	}
}

// publish publishes by POST, and returns the cursor.
func (s *site) publish(t *testing.T, channel, payload string) string {
	t.Helper()
	response := s.do(t, http.MethodPost, "/channels/"+channel, payload, "")
	if response == nil {
		t.FailNow()
	}
	var receipt struct{ Cursor string }
	if err := json.NewDecoder(response.Body).Decode(&receipt); err != nil || receipt.Cursor == "" {
		t.Fatalf("POST was answered with %s: %v", response.Status, err)
	}
	return receipt.Cursor
}

// do sends a request; nil and an error of the test if it got no answer. The body is closed with the test.
func (s *site) do(t *testing.T, method, path, body, accept string) *http.Response {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil
	}
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	if body != "" {
		request.Header.Set("Content-Type", "text/plain")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		t.Errorf("%s %s: %s: %s", method, path, response.Status, said)
	}
	return response
}
