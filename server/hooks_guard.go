// What the user's service is asked and told of sessions that are open: subscribe and publish, and who comes and goes.

package server

import (
	"context"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/hub"
)

// guards are those of the hub that ask the service; none if it asks nothing of the kind, so that nothing is slower.
func (s *service) guards() []hub.Guard {
	if !s.asks(backend.Subscribe) && !s.asks(backend.Publish) && !s.asks(backend.Disconnect) {
		return nil
	}
	return []hub.Guard{hookGuard{s}}
}

// hookGuard implements [hub.Guard].
type hookGuard struct{ *service }

func (hookGuard) Open(*hub.Session) error         { return nil }
func (hookGuard) Message(*hub.Session, int) error { return nil }

func (hookGuard) Renew(*hub.Session, *hub.Identity) error { return nil }

func (g hookGuard) Waits() bool { return g.asks(backend.Subscribe) || g.asks(backend.Publish) }

func (g hookGuard) Subscribe(ctx context.Context, s *hub.Session, channel string) error {
	if !g.asks(backend.Subscribe) {
		return nil
	}
	if err := g.hooks.Subscribe(ctx, backend.SubscribeRequest{Client: clientOf(s), Channel: channel}); err != nil {
		return hookRefusal(err)
	}
	return nil
}

// Publish lets the service change p. The hub checks the outcome against the channel's rule as it checks what clients send.
func (g hookGuard) Publish(ctx context.Context, s *hub.Session, p *hub.Publication) error {
	if !g.asks(backend.Publish) {
		return nil
	}
	decision, err := g.hooks.Publish(ctx, backend.PublishRequest{Client: clientOf(s), Channel: p.Channel, Event: p.Event, Key: p.Key,
		Data: backend.Payload{Kind: backend.Kind(p.Kind), Bytes: p.Payload}})
	if err != nil {
		return hookRefusal(err)
	}
	if decision.Data != nil {
		p.Kind, p.Payload = hub.Kind(decision.Data.Kind), decision.Data.Bytes
		p.Form &^= hub.Spread | hub.Embedded // what they said of is gone
	}
	if decision.Event != nil {
		p.Event = *decision.Event
	}
	if decision.Key != nil {
		p.Key = *decision.Key
	}
	return nil
}

// Closed tells the service that a client has gone, but for those that came for one request and those that never were there.
func (g hookGuard) Closed(s *hub.Session) {
	if !g.asks(backend.Disconnect) || s.Connection().Passing || s.Absent() {
		return
	}
	gone := backend.DisconnectRequest{Client: clientOf(s), Code: string(s.Cause())}
	if gone.Code != "" {
		known, _ := hub.RefusalOf(hub.Errorf(s.Cause(), ""))
		gone.Reason = known.Means
	}
	if err := g.hooks.Disconnect(context.Background(), gone); err != nil {
		g.log.Warn("the backend is not told that a client has gone", "session", s.ID(), "cause", err)
	}
}

// clientOf is who a hook is about.
func clientOf(s *hub.Session) backend.Client {
	who := s.Identity()
	c := backend.Client{Session: s.ID(), User: who.User, Info: who.Info, Protocol: s.Connection().Protocol}
	if s.Address().IsValid() {
		c.Remote = s.Address().String()
	}
	return c
}

// eventKinds are the backend's words for what the hub tells.
var eventKinds = map[hub.EventType]backend.EventKind{
	hub.Joined: backend.Joined, hub.Left: backend.Left, hub.Occupied: backend.Occupied, hub.Vacated: backend.Vacated,
}

// watch adds to the events that the service is told; nil if it is told none. It waits for nothing, as the hub asks: events that
// are kept in a folder are written there by a goroutine of their own.
func (s *service) watch() func(hub.Event) {
	if s.events == nil {
		return nil
	}
	return func(e hub.Event) {
		err := s.events.Add(backend.Event{Kind: eventKinds[e.Type], Channel: e.Channel, Session: e.Member.Session, User: e.Member.User, Info: e.Member.Info})
		if err != nil {
			s.log.Warn("the backend will not be told what happened in a channel", "channel", e.Channel, "event", eventKinds[e.Type], "cause", err)
		}
	}
}
