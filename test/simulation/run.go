// A run: the script is played against a node, then the network is calm, everybody comes to rest, and the log is complete.

package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

const (
	settling = 60 * time.Second       // for everybody to be up to date once the network is calm
	closing  = 30 * time.Second       // for the node to let go of everything
	round    = 200 * time.Millisecond // for everybody to see a last publication
)

// closer is who publishes the last of each channel, past all proxies, and asks who is present.
const closer = "closer"

// Run plays the script of a seed. The error tells that the run did not come to its end; the log is worth reading then, too.
func Run(ctx context.Context, seed uint64) (*Log, error) {
	w := &world{log: NewLog(), script: newScript(seed), calm: make(chan struct{})}
	var err error
	if w.node, w.address, err = startNode(w.log, "127.0.0.1:0"); err != nil {
		return w.log, err
	}
	err = w.play(ctx)
	for _, p := range w.proxies {
		p.close()
	}
	limited, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	if w.node != nil {
		err = errors.Join(err, w.released(limited), w.node.stop(limited))
	}
	return w.log, err
}

// world is everything that takes part in a run.
type world struct {
	log     *Log
	script  *script
	address string
	node    *node
	calm    chan struct{} // closed when the network is
	proxies []*proxy
	readers []*reader
	finals  int
}

// play runs everybody to the end of the script, and then to rest.
func (w *world) play(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	var everybody, scripted sync.WaitGroup
	defer everybody.Wait()
	defer stop()
	var once sync.Once
	calm := func() { once.Do(func() { close(w.calm) }) }
	defer calm()
	for _, s := range w.script.readers {
		p, err := w.proxy("network of " + s.name)
		if err != nil {
			return err
		}
		r := startReader(s, w.script.seed, w.log, p)
		w.readers = append(w.readers, r)
		scripted.Add(1)
		everybody.Go(func() { r.run(reading, scripted.Done) })
	}
	for _, s := range w.script.publishers {
		p, err := w.proxy("network of " + s.name)
		if err != nil {
			return err
		}
		scripted.Go(func() { startPublisher(s, w.script.seed, w.log, p.address()).run(ctx) })
	}
	if err := w.restarts(ctx); err != nil {
		return err
	}
	scripted.Wait()
	calm()
	if err := w.settle(ctx); err != nil {
		return err
	}
	return w.presence(ctx)
}

func (w *world) proxy(purpose string) (*proxy, error) {
	p, err := newProxy(source(w.script.seed, purpose), w.address, w.calm)
	if err == nil {
		w.proxies = append(w.proxies, p)
	}
	return p, err
}

// restarts stops and starts the node as the script says.
func (w *world) restarts(ctx context.Context) error {
	for _, s := range w.script.restarts {
		time.Sleep(s.after)
		if s.abrupt {
			for _, p := range w.proxies {
				p.reset()
			}
		}
		limited, cancel := context.WithTimeout(ctx, closing)
		err := w.node.stop(limited)
		cancel()
		w.node = nil
		if err != nil {
			return fmt.Errorf("stopping the node: %w", err)
		}
		time.Sleep(s.down)
		if w.node, _, err = startNode(w.log, w.address); err != nil {
			return err
		}
	}
	return nil
}

// settle publishes a last round, and another as long as somebody has not seen it, until all readers are where the channels are.
func (w *world) settle(ctx context.Context) error {
	deadline := time.Now().Add(settling)
	for {
		last, err := w.final(ctx)
		if err != nil {
			return err
		}
		// A longer time for each, or a slow machine would be busy with the rounds.
		for began := time.Now(); time.Since(began) < time.Duration(w.finals)*round; time.Sleep(10 * time.Millisecond) {
			if len(w.behind(last)) == 0 {
				for _, r := range w.readers {
					r.settle()
				}
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v these readers are still not up to date: %v", settling, w.behind(last))
		}
	}
}

func (w *world) behind(last map[string]final) (names []string) {
	for _, r := range w.readers {
		if !r.upToDate(last) {
			names = append(names, fmt.Sprintf("%s %v", r.script.name, r.script.channels))
		}
	}
	return names
}

// final is the last publication of a channel.
type final struct{ id, cursor string }

// final publishes the newest value of every key in every channel, and returns the id of the last of each.
func (w *world) final(ctx context.Context) (last map[string]final, err error) {
	w.finals++
	s := publisherScript{name: closer}
	for _, rule := range rules() {
		for i, key := range keys {
			id := fmt.Sprintf("final-%d-%s-%d", w.finals, rule.Pattern, i)
			s.items = append(s.items, item{channel: rule.Pattern, idempotent: true,
				content: Content{ID: id, Key: key, Kind: hub.Text, Payload: []byte(mark + id + mark)}})
		}
	}
	p := startPublisher(s, w.script.seed, w.log, w.address)
	p.run(ctx)
	last = make(map[string]final)
	for i := range s.items { // the last of each channel stays
		id := s.items[i].content.ID
		last[s.items[i].channel] = final{id, p.done[id]}
	}
	return last, ctx.Err()
}

// presence enters who the node says is in the channels that have presence, once that is as it should be, or the time is up.
func (w *world) presence(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/connect?user=%s", w.address, closer), nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	deadline := time.Now().Add(closing)
	for _, rule := range rules() {
		if !rule.Presence {
			continue
		}
		if err := write(ctx, c, map[string]any{"type": "subscribe", "channel": rule.Pattern}); err != nil {
			return err
		}
		w.log.Add(Entry{What: Opened, Who: closer, Leg: 1, Channel: rule.Pattern, Transport: Native})
		users, err := w.present(ctx, c, rule.Pattern, deadline)
		if err != nil {
			return err
		}
		w.log.Add(Entry{What: Present, Channel: rule.Pattern, Users: users})
	}
	return nil
}

// present asks until the answer is the one that is expected, or the time is up.
func (w *world) present(ctx context.Context, c *websocket.Conn, channel string, deadline time.Time) (users []string, err error) {
	there, polls := map[string]bool{closer: true}, make(map[string]bool)
	for _, r := range w.readers {
		if slices.Contains(r.script.channels, channel) {
			there[r.script.name] = !r.script.finale.polls()
			polls[r.script.name] = r.script.finale.polls()
		}
	}
	for ; ; time.Sleep(50 * time.Millisecond) {
		if users, err = ask(ctx, c, channel); err != nil {
			return nil, err
		}
		found := 0
		strange := slices.ContainsFunc(users, func(user string) bool {
			if there[user] {
				found++
			}
			return !there[user] && !polls[user]
		})
		if wanted := count(there); !strange && found == wanted || time.Now().After(deadline) {
			return users, nil
		}
	}
}

func count(set map[string]bool) (n int) {
	for _, in := range set {
		if in {
			n++
		}
	}
	return n
}

func ask(ctx context.Context, c *websocket.Conn, channel string) (users []string, err error) {
	if err := write(ctx, c, map[string]any{"type": "presence", "channel": channel, "limit": 1000, "id": 1}); err != nil {
		return nil, err
	}
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return nil, err
		}
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			return nil, err
		}
		if m.Type == "error" {
			return nil, fmt.Errorf("who is in %s: %s", channel, m.Message)
		}
		if m.Type != "presence" || m.ID != 1 {
			continue
		}
		for _, member := range m.Members {
			users = append(users, member.User)
		}
		slices.Sort(users)
		return users, nil
	}
}

// released waits until the node holds no session any more: all clients have gone.
func (w *world) released(ctx context.Context) error {
	for w.node.hub.Sessions() > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("all clients have gone; the node still holds %d sessions", w.node.hub.Sessions())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}
