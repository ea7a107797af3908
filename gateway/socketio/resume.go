// How a client that comes back gets what it missed, and how what is kept outlives the process.

package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

const (
	// maxMissed is how many publications a client may have missed to recover.
	maxMissed = 10_000
	// historyPage is how many are read at a time.
	historyPage = 256
	// handover is how long a client waits for its old connection to end.
	handover = 10 * time.Second
)

// resume has the socket go on where the one was that the client claims, and returns what is to be sent again. A claim that cannot be granted makes a
// new socket.
func (s *Socket) resume(ctx context.Context, c claim, who *hub.Identity) []replay {
	server := s.conn.server
	if c.pid == "" {
		return nil
	}
	s.takeOver(ctx, c.pid, who.User)
	a := server.keeper.take(c.pid, s.nsp, who.User)
	if a == nil {
		server.counts.unrecovered.Add(1)
		return nil
	}
	runs, known := a.trail.rewind(c.offset)
	var missed []replay
	if known {
		missed, known = s.missed(ctx, &a.trail, runs)
	}
	if !known {
		server.counts.unrecovered.Add(1)
		return nil
	}
	server.counts.recovered.Add(1)
	s.id, s.recovered, s.data = a.id, true, a.data
	a.trail.answer = never // until it is told so
	s.memory = &memory{pid: a.pid, user: a.user, trail: a.trail, finished: make(chan struct{})}
	return missed
}

// takeOver ends the connection on which the client still seems to be: it has left it, without the server having noticed.
func (s *Socket) takeOver(ctx context.Context, pid, user string) {
	old := s.conn.server.keeper.holder(pid, s.nsp)
	if old == nil || old.User() != user || old.conn == s.conn {
		return
	}
	old.conn.end(string(engineio.TransportClose))
	old.conn.engine.Close(engineio.ForcedClose)
	ctx, cancel := context.WithTimeout(ctx, handover)
	defer cancel()
	select {
	case <-old.finished:
	case <-ctx.Done():
	}
}

// missed reads what came after the trail's end, and reports false if not all of it can be had.
func (s *Socket) missed(ctx context.Context, t *trail, runs []run) (all []replay, ok bool) {
	for _, p := range t.rooms {
		if all, ok = s.readAfter(ctx, all, p.channel, p.Position, never); !ok {
			return nil, false
		}
	}
	for _, r := range runs {
		switch {
		case r.own != nil:
			all = append(all, replay{own: r, time: r.time})
		case r.channel == "" || t.in(r.channel):
		default: // it has left the channel since
			if all, ok = s.readAfter(ctx, all, r.channel, hub.Position{Epoch: r.epoch, Offset: r.first - 1}, r.last); !ok {
				return nil, false
			}
		}
	}
	inOrder(all)
	return all, true
}

// readAfter appends the publications of a channel after a position, up to an offset.
func (s *Socket) readAfter(ctx context.Context, all []replay, channel string, after hub.Position, to uint64) ([]replay, bool) {
	for after.Offset < to {
		page, err := s.conn.server.hub.History(ctx, channel, hub.Query{After: after.Offset, Limit: historyPage})
		if err != nil || page.Top.Epoch != after.Epoch || page.Top.Offset < after.Offset || page.Lost > 0 {
			return nil, false
		}
		for _, p := range page.Publications {
			if p.Offset <= to {
				all = append(all, replay{publication: p, time: p.Time})
			}
			after.Offset = p.Offset
		}
		if len(all) > maxMissed {
			return nil, false
		}
		if len(page.Publications) == 0 || after.Offset >= page.Top.Offset {
			break
		}
	}
	return all, true
}

// replayAll sends again what the client missed, as fast as it reads.
func (s *Socket) replayAll(missed []replay) {
	if !s.recovered {
		return
	}
	channels := make([]string, len(s.trail.rooms))
	for i, p := range s.trail.rooms {
		channels[i] = p.channel
	}
	s.mu.Lock()
	s.rooms = channels // for exceptions
	s.mu.Unlock()
	for i := range missed {
		s.sendAgain(&missed[i])
		s.catchBreath()
	}
	s.mu.Lock()
	s.rooms = nil
	s.mu.Unlock()
}

func (s *Socket) sendAgain(r *replay) {
	p := r.publication
	if p == nil {
		s.deliver(r.own.own, nil, false)
		return
	}
	s.receive(p, p.Except != nil && s.excepted(p) || p.Form&hub.Fleeting != 0)
}

// catchBreath waits while half of what may wait for the client does.
func (s *Socket) catchBreath() {
	const longest = 100 * time.Millisecond
	for pause := time.Millisecond; s.conn.engine.Waiting() > s.conn.server.outbox/2 && !s.conn.gone.Load(); pause = min(2*pause, longest) {
		time.Sleep(pause)
	}
}

// again is where the channels that the client was in are to go on.
func (s *Socket) again() map[string]hub.Position {
	if !s.recovered {
		return nil
	}
	at := make(map[string]hub.Position)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.trail.rooms {
		at[p.channel] = p.Position
	}
	for _, r := range s.trail.runs {
		if p, in := at[r.channel]; in && p.Epoch == r.epoch {
			at[r.channel] = hub.Position{Epoch: p.Epoch, Offset: max(p.Offset, r.last)}
		}
	}
	return at
}

// saved is what is kept of a socket, in a file.
type saved struct {
	PID, ID, Namespace, User string
	Data                     map[string]any `json:",omitempty"`
	Until                    time.Time
	At                       string
	Rooms                    []savedPlace
	Runs                     []savedRun
}

type savedPlace struct {
	Channel, Epoch string
	Offset         uint64
}

type savedRun struct {
	Channel, Epoch string   `json:",omitempty"`
	First, Last    uint64   `json:",omitempty"`
	Text           []byte   `json:",omitempty"`
	Attachments    [][]byte `json:",omitempty"`
	Own            bool     `json:",omitempty"`
	Time           time.Time
}

// savedFile begins a file.
type savedFile struct {
	Version int
	Marks   uint64
}

const savedVersion = 1

// Save writes what is kept of sockets that are away, for a process that [Server.Load] it, after [Server.Shutdown]: clients then recover from
// there if the broker's history is there, too. What is written is secret: whoever has it can be any of these clients.
func (s *Server) Save(w io.Writer) error {
	encoder := json.NewEncoder(w)
	if err := encoder.Encode(savedFile{savedVersion, s.marks.Load()}); err != nil {
		return err
	}
	for _, a := range s.keeper.all() {
		if err := encoder.Encode(a.save()); err != nil {
			return fmt.Errorf("socketio: saving the socket %s: %w", a.id, err)
		}
	}
	return nil
}

// Load reads what Save has written. It is to be called before clients come.
func (s *Server) Load(r io.Reader) error {
	if s.keeper == nil {
		return fmt.Errorf("socketio: nothing is recovered, so nothing can be loaded; give Options.Recovery")
	}
	decoder := json.NewDecoder(r)
	var file savedFile
	if err := decoder.Decode(&file); err != nil {
		return fmt.Errorf("socketio: loading: %w", err)
	}
	if file.Version != savedVersion {
		return fmt.Errorf("socketio: loading: the version is %d; this server reads %d", file.Version, savedVersion)
	}
	s.marks.Store(max(s.marks.Load(), file.Marks))
	for decoder.More() {
		var one saved
		if err := decoder.Decode(&one); err != nil {
			return fmt.Errorf("socketio: loading: %w", err)
		}
		if time.Now().Before(one.Until) {
			s.keeper.add(one.load())
		}
	}
	return nil
}

func (k *keeper) all() (all []*away) {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for e := k.oldest.Front(); e != nil; e = e.Next() {
		a := *e.Value.(*away)
		a.trail.rooms, a.trail.runs = slices.Clone(a.trail.rooms), slices.Clone(a.trail.runs)
		all = append(all, &a)
	}
	return all
}

func (a *away) save() saved {
	one := saved{PID: a.pid, ID: a.id, Namespace: a.namespace, User: a.user, Data: a.data, Until: a.until, At: a.trail.at}
	for _, p := range a.trail.rooms {
		one.Rooms = append(one.Rooms, savedPlace{p.channel, p.Epoch, p.Offset})
	}
	for _, r := range a.trail.runs {
		to := savedRun{Channel: r.channel, Epoch: r.epoch, First: r.first, Last: r.last, Time: r.time}
		if r.own != nil {
			to.Own, to.Text, to.Attachments = true, r.own.text, r.own.attachments
		}
		one.Runs = append(one.Runs, to)
	}
	return one
}

func (one *saved) load() *away {
	a := &away{pid: one.PID, id: one.ID, namespace: one.Namespace, user: one.User, data: one.Data, until: one.Until, trail: trail{at: one.At}}
	for _, p := range one.Rooms {
		a.trail.rooms = append(a.trail.rooms, place{p.Channel, hub.Position{Epoch: p.Epoch, Offset: p.Offset}})
	}
	for _, from := range one.Runs {
		r := run{channel: from.Channel, epoch: from.Epoch, first: from.First, last: from.Last, seq: never, time: from.Time}
		if from.Own {
			r.own = &ownEvent{from.Last, from.Text, from.Attachments}
		}
		a.trail.runs = append(a.trail.runs, r)
		a.trail.bytes += r.bytes()
	}
	return a
}
