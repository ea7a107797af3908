// Listening over the native protocol, and over raw WebSockets.

package main

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/websocket"
)

// listenNative has one connection for all channels, which the client brings back by itself.
func listenNative(ctx context.Context, l *listening) error {
	var subscribed atomic.Bool // once it is, it goes on where it was, so it listens as soon as the connection is back
	c := client.New(l.node.at(nil, "connect").String(), client.Options{
		Dial: l.node.dialOptions(),
		Observe: func(change client.Change) {
			switch change.To {
			case client.Open:
				if subscribed.Load() {
					l.connected()
				}
			case client.Waiting:
				l.console.note("%v; trying again in %v", friendly(change.Err), change.Wait.Round(time.Millisecond))
			}
		},
	})
	defer c.Close()
	all := make([]*client.Subscription, 0, len(l.channels))
	for _, channel := range l.channels {
		s, err := c.Subscribe(ctx, channel, client.SubscribeOptions{Cursor: l.options.from, Presence: l.options.presence})
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	subscribed.Store(true)
	l.connected()
	l.at(cursors(all))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var taking sync.WaitGroup
	for _, s := range all {
		taking.Go(func() { cancel(take(ctx, l, s, all)) })
	}
	taking.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// take shows the events of one subscription.
func take(ctx context.Context, l *listening, s *client.Subscription, all []*client.Subscription) error {
	for e, err := range s.Events(ctx) {
		if err != nil {
			return err
		}
		switch e := e.(type) {
		case *client.Message:
			if !l.show(e, cursors(all)) {
				return context.Canceled
			}
		case *client.Gap:
			l.gap(e)
			l.at(cursors(all))
		case *client.PresenceChange:
			l.came(e)
		}
	}
	return client.ErrClosed
}

// cursors is where to go on in all channels. One that is of several channels, as those of event streams may be, comes after those of one,
// for a server takes the first word on a channel.
func cursors(all []*client.Subscription) string {
	var parts []string
	for _, s := range all {
		if cursor := s.Cursor(); cursor != "" {
			parts = append(parts, cursor)
		}
	}
	slices.SortStableFunc(parts, func(a, b string) int { return strings.Count(a, ".") - strings.Count(b, ".") })
	return strings.Join(parts, ".")
}

// came remarks on who has come or gone.
func (l *listening) came(p *client.PresenceChange) {
	switch {
	case p.Joined != nil:
		l.console.note("%s: %s has come; %d are here", p.Channel, somebody(p.Joined), p.Users)
	case p.Left != nil:
		l.console.note("%s: %s has gone; %d are here", p.Channel, somebody(p.Left), p.Users)
	default:
		l.console.note("%s: %d are here", p.Channel, p.Users)
	}
}

func somebody(m *client.Member) string {
	if m.User == "" {
		return "somebody"
	}
	return m.User
}

// listenSockets has a raw WebSocket for each channel.
func listenSockets(ctx context.Context, l *listening) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var listening sync.WaitGroup
	for _, channel := range l.channels {
		listening.Go(func() {
			first := true
			cancel(l.always(ctx, func() error {
				err := listenSocket(ctx, l, channel, first)
				if _, refused := errors.AsType[*client.RefusedError](err); !refused && err != nil {
					first = false
				}
				return err
			}))
		})
	}
	listening.Wait()
	l.at("") // nobody knows
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func listenSocket(ctx context.Context, l *listening, channel string, first bool) error {
	values := url.Values{}
	if first && l.options.from != "" {
		values.Set("after", l.options.from)
	}
	target := l.node.at(values, "channels", url.PathEscape(channel))
	target.Scheme = strings.Replace(target.Scheme, "http", "ws", 1)
	options := l.node.dialOptions()
	options.KeepAlive = websocket.KeepAlive{Interval: 20 * time.Second}
	conn, response, err := websocket.Dial(ctx, target.String(), &options)
	if err != nil {
		if response != nil && response.StatusCode >= 400 {
			return client.Refusal(response)
		}
		return err
	}
	defer conn.CloseNow()
	stop := context.AfterFunc(ctx, func() { conn.Close(websocket.StatusNormalClosure, "") })
	defer stop()
	l.connected()
	if !first {
		l.gap(&client.Gap{Channel: channel, Unrecovered: true})
	}
	for {
		kind, payload, err := conn.Read(context.Background())
		if err != nil {
			return err
		}
		m := &client.Message{Channel: channel, Data: payload}
		if kind == websocket.Binary {
			m.Kind = client.Binary
		}
		if !l.show(m, "") {
			return nil
		}
	}
}
