// Long polling: what gets through where nothing else does.

package client

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	pollWait  = 25 * time.Second // that the server may wait for something to tell; some proxies give up after 30 s
	pollGrace = 10 * time.Second // beyond that
)

func openPolling(ctx context.Context, to *route) (wire, error) { return openHTTP(ctx, to, polling{}) }

type polling struct{}

func (polling) receive(ctx context.Context, w *httpWire, channels []string) error {
	for _, channel := range channels {
		p := w.place(channel)
		if p == nil || p.begun {
			continue
		}
		if err := w.enter(ctx, channel, p); err != nil {
			return err
		}
	}
	channels = slices.DeleteFunc(channels, func(channel string) bool { return w.place(channel) == nil })
	if len(channels) == 0 {
		return nil
	}
	parameters := url.Values{"channel": channels, "after": {w.position()}, "wait": {pollWait.String()}, "limit": {"1000"}}
	h, err := w.ask(ctx, http.MethodGet, "/channels", parameters, nil, nil, pollWait+pollGrace)
	if err != nil {
		return err
	}
	w.alive()
	if h.denied() {
		for _, channel := range channels {
			w.say(&heard{Type: "gap", Channel: channel, Cursor: h.Cursor, Recovered: h.Recovered})
		}
	}
	w.goOn(h.Cursor)
	return w.take(h, channels[0])
}

// enter asks for a channel alone at first, to be told what is true of it alone: refused, or recovered.
func (w *httpWire) enter(ctx context.Context, channel string, p *place) error {
	parameters := given("after", p.cursor)
	if p.cursor == "" {
		parameters.Set("limit", "1")
	}
	h, err := w.ask(ctx, http.MethodGet, pathOf(channel), parameters, nil, nil, patience)
	if refused := refusedChannel(err); refused != nil {
		w.drop(channel, refused)
		return nil
	}
	if err != nil {
		return err
	}
	w.welcome()
	cursor := h.Cursor
	if p.cursor != "" && !h.denied() {
		cursor = p.cursor
	}
	w.begin(channel, p, cursor, !h.denied())
	w.goOn(joined(h.Cursor, w.position()))
	if p.cursor == "" {
		return nil
	}
	return w.take(h, channel)
}

// take tells of an answer. What is missing is told at its place among the messages.
func (w *httpWire) take(h *heard, only string) error {
	missing := h.Gaps
	for i := range missing {
		missing[i].Type, missing[i].Cursor = "gap", h.Cursor
		if missing[i].Channel == "" {
			missing[i].Channel = only
		}
	}
	for i := range h.Messages {
		m := &h.Messages[i]
		if m.Type = "message"; m.Channel == "" {
			m.Channel = only
		}
		before := func(g heard) bool { return g.Channel == m.Channel && g.To < m.Offset }
		if at := slices.IndexFunc(missing, before); at >= 0 {
			gap := missing[at]
			missing = slices.Delete(missing, at, at+1)
			w.say(&gap)
		}
		w.say(m)
	}
	for i := range missing {
		w.say(&missing[i])
	}
	if h.RetryAfter > 0 {
		return told("shutting_down", "the server shuts down", h.RetryAfter)
	}
	return nil
}

// position is the cursor of all channels that have begun.
func (w *httpWire) position() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cursor
}

func (w *httpWire) goOn(cursor string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cursor = cursor
}

// mostJoined is how many channels' positions are sure to fit into the 8 KiB that a server takes; one that does not is told of a gap.
const mostJoined = 300

// joined are several cursors as one. Where a channel is in several of them, that counts which is of it alone, the first of those; otherwise
// the one that is further.
func joined(cursors ...string) string {
	var parts []string
	all := strings.Split(strings.Join(cursors, "."), ".")
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(offsetIn(b), offsetIn(a)) })
	alone := slices.DeleteFunc(slices.Clone(cursors), func(cursor string) bool { return strings.Contains(cursor, ".") })
	known := make(map[string]bool)
	for _, part := range append(alone, all...) {
		if of, _, _ := strings.Cut(part, "-"); part != "" && !known[of] {
			known[of] = true
			parts = append(parts, part)
		}
	}
	return strings.Join(parts[:min(len(parts), mostJoined)], ".")
}

// offsetIn is that of a cursor of one channel.
func offsetIn(part string) uint64 {
	_, digits, _ := strings.Cut(part, "-")
	offset, _ := strconv.ParseUint(digits, 10, 64) // whatever is no number is refused by the server
	return offset
}
