// How what is kept of sockets that are away outlives the process.

package socketio

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ringdown/ringdown/hub"
)

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
	Chosen         bool `json:",omitempty"`
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
		all = append(all, e.Value.(*away).clone())
	}
	return all
}

// clone is a copy that stays as it is while the trail goes on.
func (a *away) clone() *away {
	c := *a
	c.trail.rooms, c.trail.runs, c.trail.chosen = slices.Clone(a.trail.rooms), slices.Clone(a.trail.runs), slices.Clone(a.trail.chosen)
	return &c
}

func (a *away) save() saved {
	one := saved{PID: a.pid, ID: a.id, Namespace: a.namespace, User: a.user, Data: a.data, Until: a.until, At: a.trail.at}
	for _, p := range a.trail.rooms {
		one.Rooms = append(one.Rooms, savedPlace{p.channel, p.Epoch, p.Offset, slices.Contains(a.trail.chosen, p.channel)})
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
		if p.Chosen {
			a.trail.chosen = append(a.trail.chosen, p.Channel)
		}
	}
	for _, from := range one.Runs {
		r := run{channel: from.Channel, epoch: from.Epoch, first: from.First, last: from.Last, seq: never, time: from.Time}
		if from.Own {
			r.own = &ownEvent{from.Last, from.Time, from.Text, from.Attachments}
		}
		a.trail.runs = append(a.trail.runs, r)
		a.trail.bytes += r.bytes()
	}
	return a
}
