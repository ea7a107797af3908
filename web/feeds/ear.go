// An ear: how a feed hears what the pages publish for it.

package feeds

import (
	"context"
	"log/slog"

	"github.com/ringdown/ringdown/hub"
)

// unheard is how many publications may wait for a feed; more are lost, as what is newer makes up for it.
const unheard = 1024

// ear is a session of the feed's own. A nil one hears nothing.
type ear struct {
	session *hub.Session
	heard   chan *hub.Publication
}

// listen opens an ear. Where that is not possible the feed goes on without.
func listen(ctx context.Context, h *hub.Hub, channel string, log *slog.Logger) *ear {
	e := &ear{heard: make(chan *hub.Publication, unheard)}
	var err error
	if e.session, err = h.Open(e, hub.Identity{}); err == nil {
		err = e.session.Subscribe(ctx, channel, hub.SubscribeOptions{})
	}
	if err != nil {
		log.Warn("a demonstration's feed hears nothing", "channel", channel, "error", err)
	}
	return e
}

func (e *ear) queue() <-chan *hub.Publication {
	if e == nil {
		return nil
	}
	return e.heard
}

func (e *ear) close() {
	if e != nil && e.session != nil {
		e.session.Close()
	}
}

// Receive implements [hub.Receiver].
func (e *ear) Receive(p *hub.Publication) hub.Reception {
	select {
	case e.heard <- p:
	default:
	}
	return hub.Taken
}

// Notify implements [hub.Receiver].
func (*ear) Notify(*hub.Notice) {}

// End implements [hub.Receiver].
func (*ear) End(error) {}
