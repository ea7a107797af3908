//go:build unix

package restart

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/simulation"
)

const (
	patience = 60 * time.Second
	window   = 3 * time.Second // drain.window

	each       = 14 // readers of a transport
	publishers = 4
	items      = 200 // of a publisher; all of a channel are within the history of dev mode, 1000
	pause      = 20 * time.Millisecond
)

var (
	channels   = []string{"lobby", "news", "quiet"}
	busy       = channels[:2] // in which something is published all the time, so that who polls is often between two polls
	transports = []simulation.Transport{simulation.Raw, simulation.Native, simulation.SSE, simulation.LongPoll, goClient}
)

func TestNothingIsLostWhenANodeIsRestartedUnderTraffic(t *testing.T) {
	flags := []string{"--set", "state.file=" + filepath.Join(t.TempDir(), "state"), "--set", "drain.window=" + window.String()}
	node := serve(t, "127.0.0.1:0", flags...)
	log := simulation.NewLog()
	log.Add(simulation.Entry{What: simulation.NodeStarted}) // once: what is saved makes one life of two
	all := &crowd{address: node.address, log: log}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	w := &writers{address: node.address, log: log, taken: make(map[string]simulation.Entry)}
	w.begin(ctx, t)
	w.publish(ctx, "opener", "quiet", "hello")
	reading, stop := context.WithCancel(ctx)
	var reads sync.WaitGroup
	for i := range each * len(transports) {
		r := &reader{crowd: all, over: transports[i%len(transports)], channel: channels[i%len(channels)]}
		r.name, r.cursor = fmt.Sprintf("%s-%d", r.over, i), w.cursors[r.channel]
		all.readers = append(all.readers, r)
		reads.Go(func() { r.run(reading, t) })
	}
	var writes sync.WaitGroup
	for i := range publishers {
		writes.Go(func() { w.run(ctx, i) })
	}
	all.until(t, "everybody hears something", func(r *reader) bool { return r.seen() != "" })

	w.until(t, publishers*items/4)
	node.stop(t)
	again := serve(t, node.address, flags...)
	writes.Wait()
	for i, channel := range channels {
		w.publish(ctx, "closer", channel, fmt.Sprint("final-", i))
	}
	all.until(t, "everybody is up to date", func(r *reader) bool {
		return r.seen() == fmt.Sprint("final-", slices.Index(channels, r.channel))
	})
	stop()
	reads.Wait()
	for _, r := range all.readers {
		log.Add(simulation.Entry{What: simulation.Settled, Who: r.name, Leg: r.leg, Channel: r.channel})
	}
	w.numbered(t)
	rule := hub.Rule{Publish: hub.Everyone, History: hub.Retention{Count: 1000, Age: 10 * time.Minute}}
	entries := log.Entries()
	t.Log(simulation.Summary(entries))
	faults := simulation.Check(func(string) hub.Rule { return rule }, entries)
	for _, f := range faults[:min(5, len(faults))] {
		t.Errorf("%v\n%s", f, simulation.Excerpt(entries, f, 20))
	}
	all.cameBackAsTold(t)
	again.stop(t)
	if !strings.Contains(node.log.String(), "saved the state") || !strings.Contains(again.log.String(), "loaded the saved state") {
		t.Error("the logs do not tell of the state")
	}
}

// until waits for something that holds for every reader in the end.
func (c *crowd) until(t *testing.T, what string, holds func(*reader) bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for ; ; time.Sleep(10 * time.Millisecond) {
		at := slices.IndexFunc(c.readers, func(r *reader) bool { return !holds(r) })
		if at < 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s: %s has seen %q last", what, c.readers[at].name, c.readers[at].seen())
		}
	}
}

// cameBackAsTold checks when the readers were told to come back, and that they tried then. How late a busy machine is does not matter.
func (c *crowd) cameBackAsTold(t *testing.T) {
	t.Helper()
	const parts = 6
	var told, returned [parts]int
	var first time.Time
	untold := 0
	for _, r := range c.readers {
		if r.gone.IsZero() && r.over == simulation.LongPoll {
			untold++ // it was between two polls when the node closed its port
			continue
		}
		if r.gone.IsZero() || r.back.IsZero() {
			t.Errorf("%s was not told to go, or has not come back", r.name)
			return
		}
		if first.IsZero() || r.gone.Before(first) {
			first = r.gone
		}
	}
	if untold == each {
		t.Error("nobody who polls was told to go")
	}
	timed := 0
	for _, r := range c.readers {
		if r.gone.IsZero() {
			continue
		}
		if r.told > window+client.DefaultMinBackoff || r.back.Sub(r.gone) < r.told {
			t.Errorf("%s was to come back after %v, and did after %v; the window is %v", r.name, r.told, r.back.Sub(r.gone), window)
		}
		returned[min(parts-1, int(r.back.Sub(first)*parts/(2*window)))]++
		if r.over != simulation.Raw { // which draws the time itself
			timed++
			told[min(parts-1, int(r.told*parts/window))]++
		}
	}
	t.Logf("told to come back, by sixths of the window: %v; back, by thirds of it: %v", told, returned)
	for i := range parts { // 9 of 56 are to be expected, with a deviation of 3
		if told[i] > timed/2 {
			t.Errorf("%d of %d were told to come back in part %d of %d of the window", told[i], timed, i+1, parts)
		}
	}
	if returned[0] > len(c.readers)*2/3 { // a third is to be expected at most; a slow machine moves them on
		t.Errorf("%d of %d came back in the first third of the window", returned[0], len(c.readers))
	}
}

// writers publish by POST.
type writers struct {
	address string
	log     *simulation.Log
	cursors map[string]string // where the channels begin

	mu    sync.Mutex // guards what follows
	taken map[string]simulation.Entry
}

// begin asks where the channels are.
func (w *writers) begin(ctx context.Context, t *testing.T) {
	w.cursors = make(map[string]string)
	for _, channel := range channels {
		mark := w.log.Mark()
		var a message
		if err := w.exchange(ctx, http.MethodGet, channel, "", "", &a); err != nil {
			t.Fatal(err)
		}
		w.cursors[channel] = a.Cursor
		w.log.Add(simulation.Entry{What: simulation.Renumbered, Channel: channel, Cursor: a.Cursor, Began: mark})
	}
}

func (w *writers) run(ctx context.Context, number int) {
	for i := range items {
		w.publish(ctx, fmt.Sprint("publisher-", number), busy[number%len(busy)], fmt.Sprintf("%d-%d", number, i))
		time.Sleep(pause)
	}
}

// until waits until so many publications were taken.
func (w *writers) until(t *testing.T, enough int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		taken := len(w.taken)
		w.mu.Unlock()
		if taken >= enough {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d publications were taken after %v, %d are waited for", taken, patience, enough)
		}
	}
}

// publish tries until there is a receipt.
func (w *writers) publish(ctx context.Context, who, channel, id string) {
	content := simulation.Content{ID: id, Kind: hub.Text, Payload: []byte("#" + id + "#")}
	began := w.log.Mark()
	for ctx.Err() == nil {
		w.log.Add(simulation.Entry{What: simulation.Attempted, Who: who, Channel: channel, Content: content})
		var m struct {
			message
			Duplicate bool
		}
		err := w.exchange(ctx, http.MethodPost, channel, id, string(content.Payload), &m)
		switch {
		case err == nil && m.Code != "":
			w.log.Add(simulation.Entry{What: simulation.Refused, Who: who, Channel: channel, Content: content, Text: m.Code})
		case err == nil:
			w.log.Add(simulation.Entry{What: simulation.Receipted, Who: who, Channel: channel, Content: content, Cursor: m.Cursor, Offset: m.Offset, Duplicate: m.Duplicate})
			w.mu.Lock()
			w.taken[id] = simulation.Entry{What: simulation.Numbered, Channel: channel, Content: content, Cursor: m.Cursor, Began: began}
			w.mu.Unlock()
			return
		}
		time.Sleep(20*time.Millisecond + rand.N(80*time.Millisecond))
	}
}

// exchange sends one request over a connection of its own.
func (w *writers) exchange(ctx context.Context, method, channel, key, body string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://%s/channels/%s", w.address, channel), bytes.NewReader([]byte(body)))
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

// numbered enters what the node took, by the receipts: it has no tap as that of package simulation.
func (w *writers) numbered(t *testing.T) {
	t.Helper()
	if want := publishers*items + 1 + len(channels); len(w.taken) != want {
		t.Errorf("%d of %d publications were taken", len(w.taken), want)
	}
	for _, e := range w.taken {
		w.log.Add(e)
	}
}
