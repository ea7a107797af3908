package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/hub"
)

// TestClientsHearTheClock listens to the program by the Go client, and lets a client try to publish.
func TestClientsHearTheClock(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	mux, err := routes(h)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	c, err := client.Dial(ctx, server.URL+"/connect", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	clock, err := c.Subscribe(ctx, "clock", client.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	go tick(ctx, h)
	for event, err := range clock.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		message, ok := event.(*client.Message)
		if !ok {
			t.Fatalf("a %T came before any message", event)
		}
		if _, err := time.Parse(time.TimeOnly, message.Text()); err != nil {
			t.Error(err)
		}
		break
	}

	request, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/channels/clock", strings.NewReader("noon"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a client that publishes the time gets %s", answer.Status)
	}
}

// TestTheTourShowsThisProgram keeps the page that prints the program true to it.
func TestTheTourShowsThisProgram(t *testing.T) {
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	tour, err := os.ReadFile("../../docs/getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ = bytes.Cut(program, []byte("package main"))
	if !bytes.Contains(tour, append([]byte("```go\npackage main"), append(program, "```"...)...)) {
		t.Error("docs/getting-started.md shows another program than main.go; copy it there")
	}
}
