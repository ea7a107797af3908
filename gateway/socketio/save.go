// How what is kept of sockets that are away outlives the process.

package socketio

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// saved is what is kept of a socket, in a file.
type saved struct {
	PID, ID, Namespace, User string
	Node                     string         `json:",omitempty"` // that has it, too, and what came for it since
	Data                     map[string]any `json:",omitempty"`
	Until                    time.Time
	At                       string
	TriedAt                  string `json:",omitempty"`
	Tries                    int    `json:",omitempty"`
	Rooms                    []savedPlace
	Runs                     []savedRun
}

type savedPlace struct {
	Channel, Epoch string
	Offset         uint64
	Chosen         bool `json:",omitempty"` // by the client
	Granted        bool `json:",omitempty"` // by its identity
}

type savedRun struct {
	Channel, Epoch string    `json:",omitempty"`
	First, Last    uint64    `json:",omitempty"`
	Text           []byte    `json:",omitempty"`
	Attachments    [][]byte  `json:",omitempty"`
	Own            bool      `json:",omitempty"`
	Time           time.Time // of an own event
}

// savedFile begins a file.
type savedFile struct {
	Version int
	Marks   uint64
}

const savedVersion = 1

// Save writes what is kept of sockets that are away, for a process that [Server.Load] it, after [Server.Shutdown]: clients then recover from
// there if the broker's history is there, too. What is written is secret: whoever has it can be any of these clients. A socket of which something
// is no JSON is left out, which the log is told. The error is the writer's.
func (s *Server) Save(w io.Writer) error {
	encoder := json.NewEncoder(w)
	if err := encoder.Encode(savedFile{savedVersion, s.marks.Load()}); err != nil {
		return err
	}
	for _, a := range s.keeper.all() {
		text, err := json.Marshal(a.save())
		if err != nil {
			s.log.Warn("a socket that is away cannot be saved, so its client will not recover; keep with it by Set what is JSON", "socket", a.id, "namespace", a.namespace, "cause", err)
			continue
		}
		if _, err := w.Write(append(text, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// Load reads what Save has written. It is to be called before clients come. If it is an error, nothing was loaded.
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
	all, err := loadAll(decoder)
	if err != nil {
		return fmt.Errorf("socketio: loading: %w", err)
	}
	s.marks.Store(max(s.marks.Load(), file.Marks))
	latest := time.Now().Add(s.keeper.options.MaxDisconnection)
	for _, a := range all {
		if a.until.After(latest) {
			a.until = latest
		}
		s.keeper.add(a)
	}
	return nil
}

// loadAll reads the sockets that may still come back.
func loadAll(decoder *json.Decoder) (all []*away, err error) {
	ids, pids := make(map[string]bool), make(map[string]bool)
	for {
		var one saved
		if err := decoder.Decode(&one); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		name := fullName(one.Namespace, one.ID)
		switch {
		case one.PID == "" || one.ID == "" || checkNamespace(one.Namespace) != nil:
			return nil, fmt.Errorf("socket %d has no pid, no id or no namespace", len(ids)+1)
		case ids[name] || pids[one.PID]:
			return nil, fmt.Errorf("the socket %q of the namespace %q, or its pid, is there twice", one.ID, one.Namespace)
		}
		ids[name], pids[one.PID] = true, true
		if time.Now().Before(one.Until) {
			all = append(all, one.load())
		}
	}
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

// clone is a copy that stays as it is while more is kept of the socket.
func (a *away) clone() *away {
	c := *a
	c.data, c.trail.rooms, c.trail.runs = maps.Clone(a.data), slices.Clone(a.trail.rooms), slices.Clone(a.trail.runs)
	return &c
}

func (a *away) save() saved {
	one := saved{PID: a.pid, ID: a.id, Namespace: a.namespace, User: a.user, Data: a.data, Until: a.until, At: a.trail.at, TriedAt: a.tries.at, Tries: a.tries.n}
	for _, p := range a.trail.rooms {
		one.Rooms = append(one.Rooms, savedPlace{p.channel, p.Epoch, p.Offset, p.by == byClient, p.by == byIdentity})
	}
	for _, r := range a.trail.runs {
		to := savedRun{Channel: r.channel, Epoch: r.epoch, First: r.first, Last: r.last}
		if r.own != nil {
			to.Own, to.Text, to.Attachments, to.Time = true, r.own.text, r.own.attachments, r.own.time
		}
		one.Runs = append(one.Runs, to)
	}
	return one
}

func (one *saved) load() *away {
	a := &away{pid: one.PID, id: one.ID, namespace: one.Namespace, user: one.User, data: one.Data, until: one.Until, trail: trail{at: one.At},
		tries: tries{at: one.TriedAt, n: one.Tries}}
	for _, p := range one.Rooms {
		by := byProgram
		switch {
		case p.Chosen:
			by = byClient
		case p.Granted:
			by = byIdentity
		}
		a.trail.enter(p.Channel, hub.Position{Epoch: p.Epoch, Offset: p.Offset}, by)
	}
	for _, from := range one.Runs {
		r := run{channel: from.Channel, epoch: from.Epoch, first: from.First, last: from.Last, seq: never}
		if from.Own {
			r.own = &ownEvent{from.Last, from.Time, from.Text, from.Attachments}
		}
		a.trail.runs = append(a.trail.runs, r)
		a.trail.bytes += r.bytes()
	}
	return a
}
