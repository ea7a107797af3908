// What a client that comes back has missed: which publications of which channels, and in which order they are sent again.

package socketio

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// A client that has missed more cannot recover. Counted is all that is read.
const (
	maxMissed      = 10_000   // publications
	maxMissedBytes = 16 << 20 // of their payloads
	historyPage    = 256      // publications that are read at a time
)

// replay is one event that is sent again: a publication, or an event of the socket's own.
type replay struct {
	publication *hub.Publication
	own         *ownEvent
	kept        bool // the client is not to get it
	sent        bool // it was sent before
}

func (r *replay) time() time.Time {
	if r.own != nil {
		return r.own.time
	}
	return r.publication.Time
}

// past is what history holds of the channels that a client has missed something of.
type past struct {
	of           map[string]*stretch
	count, bytes int
}

// stretch is a part of a channel's history: what comes after one offset, to another.
type stretch struct {
	epoch        string
	after, to    uint64
	publications []*hub.Publication
}

// need has a stretch reach over what is to be read. It reports false if that has another numbering.
func (h *past) need(channel, epoch string, after, to uint64) bool {
	s := h.of[channel]
	if s == nil {
		h.of[channel] = &stretch{epoch: epoch, after: after, to: to}
		return true
	}
	s.after, s.to = min(s.after, after), max(s.to, to)
	return s.epoch == epoch
}

// between are the publications of a channel after one offset, to another.
func (h *past) between(channel string, after, to uint64) []*hub.Publication {
	all := h.of[channel].publications
	beyond := func(p *hub.Publication, offset uint64) int {
		if p.Offset > offset {
			return 1
		}
		return -1
	}
	from, _ := slices.BinarySearchFunc(all, after, beyond)
	end, _ := slices.BinarySearchFunc(all, to, beyond)
	return all[from:end]
}

// findMissed reads what the client has missed: the runs, then what came after the trail. It reports false if not all of it can be had. id is the socket's.
func (s *Socket) findMissed(ctx context.Context, id string, t *trail, runs []run) (all []replay, ok bool) {
	h := past{of: make(map[string]*stretch)}
	for _, r := range runs {
		if r.channel != "" && !h.need(r.channel, r.epoch, r.first-1, r.last) {
			return nil, false
		}
	}
	for _, p := range t.rooms {
		if !h.need(p.channel, p.Epoch, p.Offset, never) {
			return nil, false
		}
	}
	for channel, part := range h.of {
		if !s.read(ctx, &h, channel, part) {
			return nil, false
		}
	}
	all, rest := h.again(runs)
	return append(all, merge(append(h.after(t, id), rest))...), true
}

// read reads a stretch.
func (s *Socket) read(ctx context.Context, h *past, channel string, part *stretch) (ok bool) {
	for after := part.after; after < part.to; {
		page, err := s.conn.server.hub.History(ctx, channel, hub.Query{After: after, Limit: historyPage})
		if err != nil || page.Top.Epoch != part.epoch || page.Top.Offset < after || page.Lost > 0 {
			return false
		}
		for _, p := range page.Publications {
			after = p.Offset
			h.count++
			h.bytes += len(p.Payload)
		}
		part.publications = append(part.publications, page.Publications...)
		if h.count > maxMissed || h.bytes > maxMissedBytes {
			return false
		}
		if len(page.Publications) == 0 || after >= page.Top.Offset {
			break
		}
	}
	return true
}

// again is what the client was sent, in that order, and separately what was sent to the socket alone after all of that, which may have been while it was
// away.
func (h *past) again(runs []run) (all, rest []replay) {
	for _, r := range runs {
		switch {
		case r.own != nil:
			rest = append(rest, replay{own: r.own, sent: true})
		case r.channel != "":
			all, rest = append(all, rest...), nil
			for _, p := range h.between(r.channel, r.first-1, r.last) {
				if p.Form&hub.Fleeting == 0 {
					all = append(all, replay{publication: p, sent: true})
				}
			}
		}
	}
	return all, rest
}

// after is what came after the trail, of each channel. The rooms of the exceptions are those in which the socket was when it went.
func (h *past) after(t *trail, id string) (all [][]replay) {
	names := []string{id}
	for _, p := range t.rooms {
		names = append(names, p.channel)
	}
	for _, place := range t.rooms {
		var one []replay
		for _, p := range h.between(place.channel, place.Offset, never) {
			kept := p.Form&hub.Fleeting != 0 || slices.ContainsFunc(p.Except, func(name string) bool { return slices.Contains(names, name) })
			one = append(one, replay{publication: p, kept: kept})
		}
		all = append(all, one)
	}
	return all
}

// merge makes one list of several by time, without changing the order within one: clocks may have been set back.
func merge(lists [][]replay) (all []replay) {
	for {
		lists = slices.DeleteFunc(lists, func(list []replay) bool { return len(list) == 0 })
		if len(lists) == 0 {
			return all
		}
		first := 0
		for i := range lists {
			if cmp.Compare(lists[i][0].time().UnixNano(), lists[first][0].time().UnixNano()) < 0 {
				first = i
			}
		}
		all = append(all, lists[first][0])
		lists[first] = lists[first][1:]
	}
}
