//go:build unix

// Writers: publishers that try until there is a receipt.

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/simulation"
)

// answerTime is how long a writer waits for an answer before it asks again, which may reach another node.
const answerTime = 2 * time.Second

// How long a writer waits before it tries again, about.
const firstWait, longestWait = 40 * time.Millisecond, 320 * time.Millisecond

// writers publish by POST.
type writers struct {
	address string
	log     *simulation.Log
	cursors map[string]string // where the channels begin

	mu    sync.Mutex // guards what follows
	said  int
	taken int
}

// begin asks where the channels are.
func (w *writers) begin(ctx context.Context, t *testing.T) {
	w.cursors = make(map[string]string)
	for _, channel := range channels {
		mark := w.log.Mark()
		var a message
		if err := w.exchange(ctx, w.address, http.MethodGet, channel, "", "", &a); err != nil {
			t.Fatal(err)
		}
		w.cursors[channel] = a.Cursor
		w.log.Add(simulation.Entry{What: simulation.Renumbered, Channel: channel, Cursor: a.Cursor, Began: mark})
	}
}

// run publishes as one of several, one after the other until stop is closed; what it has begun it brings to an end.
func (w *writers) run(ctx context.Context, number int, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(pause):
			w.publish(ctx, fmt.Sprint("publisher-", number), busy[number%len(busy)], w.id(fmt.Sprint(number, "-")))
		}
	}
}

// id is one that was not given before.
func (w *writers) id(prefix string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said++
	return fmt.Sprint(prefix, w.said)
}

func (w *writers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}

// until waits until so many publications were taken.
func (w *writers) until(t *testing.T, enough int) {
	t.Helper()
	for deadline := time.Now().Add(patience); w.count() < enough; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d publications were taken after %v, %d are waited for", w.count(), patience, enough)
		}
	}
}

// publish tries until there is a receipt.
func (w *writers) publish(ctx context.Context, who, channel, id string) {
	w.publishAt(ctx, w.address, who, channel, id)
}

// publishAt is publish by one node.
func (w *writers) publishAt(ctx context.Context, address, who, channel, id string) {
	content := simulation.Content{ID: id, Kind: hub.Text, Payload: []byte("#" + id + "#")}
	began, wait := w.log.Mark(), firstWait
	for ctx.Err() == nil {
		w.log.Add(simulation.Entry{What: simulation.Attempted, Who: who, Channel: channel, Content: content})
		var m struct {
			message
			Duplicate bool
		}
		err := w.exchange(ctx, address, http.MethodPost, channel, id, string(content.Payload), &m)
		switch {
		case err == nil && m.Code != "":
			w.log.Add(simulation.Entry{What: simulation.Refused, Who: who, Channel: channel, Content: content, Text: m.Code})
		case err == nil: // there is no tap as that of package simulation: what the broker took is what it gave a receipt for
			w.log.Add(simulation.Entry{What: simulation.Numbered, Channel: channel, Content: content, Cursor: m.Cursor, Began: began})
			w.log.Add(simulation.Entry{What: simulation.Receipted, Who: who, Channel: channel, Content: content, Cursor: m.Cursor, Offset: m.Offset, Duplicate: m.Duplicate})
			w.mu.Lock()
			w.taken++
			w.mu.Unlock()
			return
		}
		time.Sleep(wait/2 + rand.N(wait))
		wait = min(2*wait, longestWait)
	}
}

// exchange sends one request over a connection of its own.
func (w *writers) exchange(ctx context.Context, address, method, channel, key, body string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://%s/channels/%s", address, channel), bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	r.GetBody = nil // net/http must not repeat what may have arrived
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, answer)
}
