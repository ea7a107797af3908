package channelhttp

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// Offsets say where in an answer a gap is, so what comes after the end of a numbering is no part of one that says something of it.
func TestAnAnswerToAPollEndsWhereANumberingDoes(t *testing.T) {
	saw := func(epoch string, offset uint64) func(*poll) {
		return func(p *poll) {
			p.Receive(&hub.Publication{Channel: "lobby", Payload: []byte("x"), Epoch: epoch, Offset: offset})
		}
	}
	gap := func(epoch string, from, to uint64) func(*poll) {
		return func(p *poll) {
			p.Notify(&hub.Notice{Type: hub.Gap, Channel: "lobby", Position: hub.Position{Epoch: epoch, Offset: to}, From: from, To: to})
		}
	}
	const before, after = "aaaaaaaa", "bbbbbbbb"
	begin := func(p *poll) { p.at("lobby", hub.Position{Epoch: before, Offset: 6}) }
	for what, c := range map[string]struct {
		happens           []func(*poll)
		messages          int
		cursor, has, lack string
	}{
		"after publications": {[]func(*poll){saw(before, 7), saw(before, 8), gap(after, 0, 0), saw(after, 1)}, 2, "aaaaaaaa-8", "", `"gaps"`},
		"after a gap":        {[]func(*poll){gap(before, 7, 9), gap(after, 0, 0), saw(after, 1)}, 0, "aaaaaaaa-9", `"gaps":[{"from":7,"to":9}]`, after},
		"and another does":   {[]func(*poll){gap(after, 0, 0), gap("cccccccc", 0, 0), saw("cccccccc", 1)}, 0, "bbbbbbbb-0", `"gaps":[{"from":0,"to":0}]`, "cccccccc"},
		"before anything":    {[]func(*poll){gap(after, 0, 2), saw(after, 3), gap(after, 4, 4), saw(after, 5)}, 2, "bbbbbbbb-5", `"gaps":[{"from":0,"to":2},{"from":4,"to":4}]`, before},
	} {
		for _, channels := range [][]string{{"lobby"}, {"lobby", "other"}} {
			p := newPoll(t, channels...)
			begin(p)
			for _, happen := range c.happens {
				happen(p)
			}
			answer := string(p.answer(0))
			has := c.has
			if len(channels) > 1 {
				has = strings.ReplaceAll(has, `{"from"`, `{"channel":"lobby","from"`)
			}
			if strings.Count(answer, `"data"`) != c.messages || !strings.Contains(answer, `],"cursor":"`+c.cursor+`"`) ||
				!strings.Contains(answer, has) || strings.Contains(answer, c.lack) {
				t.Errorf("%s, of %v, the answer is %s", what, channels, answer)
			}
		}
	}
}

// A numbering that ends in one channel is no matter of another's.
func TestANumberingEndsInAnAnswerThatHoldsAnotherChannel(t *testing.T) {
	p := newPoll(t, "lobby", "other")
	p.Receive(&hub.Publication{Channel: "other", Payload: []byte("x"), Epoch: "oooooooo", Offset: 1})
	p.Notify(&hub.Notice{Type: hub.Gap, Channel: "lobby", Position: hub.Position{Epoch: "bbbbbbbb"}})
	p.Receive(&hub.Publication{Channel: "lobby", Payload: []byte("x"), Epoch: "bbbbbbbb", Offset: 1})
	if answer := string(p.answer(0)); !strings.Contains(answer, `"cursor":"bbbbbbbb-1.oooooooo-1"`) || !strings.Contains(answer, `"gaps":[{"channel":"lobby","from":0,"to":0}]`) {
		t.Errorf("the answer is %s", answer)
	}
}

// newPoll is one that nobody waits for.
func newPoll(t *testing.T, channels ...string) *poll {
	t.Helper()
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(h, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &poll{gateway: g, request: &request{channels: channels, limit: 100}, news: make(chan struct{}), cursor: make(map[string]hub.Position)}
}
