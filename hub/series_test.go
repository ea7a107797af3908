package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// several is a broker that is given several publications at once, and fails at one of them.
type several struct {
	hub.Broker
	series []int  // how many came at once
	fails  string // the payload at which it does
}

func (b *several) PublishSeries(ctx context.Context, all []*hub.Publication, s hub.Storing) (done []hub.Published, err error) {
	b.series = append(b.series, len(all))
	for _, p := range all {
		if string(p.Payload) == b.fails {
			return done, errors.New("the line is down")
		}
		one, err := b.Publish(ctx, p, s)
		if err != nil {
			return done, err
		}
		done = append(done, one)
	}
	return done, nil
}

func TestASeriesIsPublishedInOrderUpToTheFirstThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		proves   string
		payloads string
		fails    string
		want     string // what is published
		code     hub.Code
		at       int // how many the broker is given at once; 0 if one by one
	}{
		{"several go at once", "a b c d", "", "a b c d", "", 4},
		{"one goes as ever", "a", "", "a", "", 0},
		{"none are none", "", "", "", "", 0},
		{"what is too large ends it", "a b large d", "", "a b", hub.TooLarge, 2},
		{"the broker ends it", "a b c d", "c", "a b", hub.Unavailable, 4},
	} {
		for _, capable := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, at once %v", c.proves, capable), func(t *testing.T) {
				b := &several{Broker: memory.New(memory.Options{}), fails: c.fails}
				o := hub.Options{Broker: b, Rules: []hub.Rule{{Pattern: "*", Publish: hub.Everyone, MaxPayload: 100}}}
				if !capable {
					if c.fails != "" {
						return
					}
					o.Broker = struct{ hub.Broker }{b.Broker}
				}
				h := start(t, o)
				listener, publisher := open(t, h, "lobby"), open(t, h)
				var all []*hub.Publication
				for text := range strings.FieldsSeq(c.payloads) {
					if text == "large" {
						text = strings.Repeat("x", 101)
					}
					all = append(all, &hub.Publication{Channel: "lobby", Payload: []byte(text)})
				}
				told := 0
				err := publisher.PublishSeries(t.Context(), all, func(r hub.Receipt) {
					if told++; r.Offset != uint64(told) || r.Subscribers != 1 {
						t.Errorf("receipt %d is %+v", told, r)
					}
				})
				if refused, _ := errors.AsType[*hub.Error](err); (err != nil) != (c.code != "") || err != nil && refused.Code != c.code {
					t.Errorf("the error is %v, want %q", err, c.code)
				}
				if want := len(strings.Fields(c.want)); told != want {
					t.Errorf("%d were told of, want %d", told, want)
				}
				if capable && c.at > 0 && !slices.Equal(b.series, []int{c.at}) || c.at == 0 && len(b.series) > 0 {
					t.Errorf("the broker was given %v at once, want %d", b.series, c.at)
				}
				listener.expect(t, c.want)
			})
		}
	}
}
