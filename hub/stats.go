// What a hub has done so far, for metrics: counters that are kept, so that reading them walks over nothing.

package hub

import (
	"errors"
	"sync/atomic"
)

// Stats is what a hub holds now, and what it has done since it was made. What the counters say together may be a moment apart.
type Stats struct {
	Sessions      []SessionCount // open now, one for each transport and protocol that there ever was
	Channels      int            // with a subscriber of this node, or one on its way
	Subscriptions int

	Publications   uint64 // published by this node, for clients and by the server
	PublishedBytes uint64 // of payload
	Duplicates     uint64 // that were not published, as their idempotency key was known

	Deliveries     uint64 // publications handed to subscribers of this node at once
	DeliveredBytes uint64 // of payload
	CaughtUp       uint64 // publications handed to subscribers that were behind, later

	Dropped   uint64 // by the policy DropOldest, or because a backlog that conflates was full
	Conflated uint64 // by the policy Conflate: replaced by a newer one before the client was ready
	Gaps      uint64 // told to a subscriber
	Heals     uint64 // holes in what the broker delivered that were to be filled from history

	Recovered   uint64 // subscriptions that asked for what they had missed and got it
	Unrecovered uint64 // subscriptions that asked for what they had missed, which could not be had

	Opened      uint64          // sessions
	Refusals    map[Code]uint64 // told to clients; by every code of the table
	Disconnects map[Code]uint64 // sessions that ended, by cause; "" if the client has gone by itself. Without those of passing sessions
}

// SessionCount is how many sessions there are of a sort.
type SessionCount struct {
	Transport, Protocol string
	Sessions            int
}

// tally is what the channels of a shard have done, apart from the others' so that those who count seldom meet.
type tally struct {
	publications, publishedBytes, duplicates    atomic.Uint64
	deliveries, deliveredBytes, caughtUp        atomic.Uint64
	dropped, conflated, gaps, recovered, missed atomic.Uint64
}

func (t *tally) published(bytes int, duplicate bool) {
	if duplicate {
		t.duplicates.Add(1)
		return
	}
	t.publications.Add(1)
	t.publishedBytes.Add(uint64(bytes))
}

// totals are the hub's.
type totals struct {
	subscriptions atomic.Int64
	heals, opened atomic.Uint64
	refusals      []atomic.Uint64 // by the place of the code in the table
	disconnects   []atomic.Uint64 // by that place + 1; 0 is the client
}

func newTotals() totals {
	return totals{refusals: make([]atomic.Uint64, len(refusals)), disconnects: make([]atomic.Uint64, len(refusals)+1)}
}

// sorts are the sorts of sessions, by Session.sort. Guarded by Hub.mu.
type sorts []SessionCount

// maxSorts bounds how many are told apart; the last one is for all others.
const maxSorts = 32

// find returns the place of a description's sort, which it makes if there is none.
func (all *sorts) find(d Description) uint8 {
	for i, known := range *all {
		if known.Transport == d.Transport && known.Protocol == d.Protocol {
			return uint8(i)
		}
	}
	if len(*all) == maxSorts {
		return maxSorts - 1
	}
	if len(*all) == maxSorts-1 {
		d = Description{Transport: "other", Protocol: "other"}
	}
	*all = append(*all, SessionCount{Transport: d.Transport, Protocol: d.Protocol})
	return uint8(len(*all) - 1)
}

// placeOf is where a code is in the table. One that is not there counts as NotAllowed.
func placeOf(code Code) int {
	forbidden := 0
	for i := range refusals {
		switch refusals[i].Code {
		case code:
			return i
		case NotAllowed:
			forbidden = i
		}
	}
	return forbidden
}

// causeOf is the place of the code that a cause stands for in totals.disconnects.
func causeOf(cause error) uint8 {
	switch {
	case cause == nil, errors.Is(cause, ErrEnded):
		return 0
	case errors.Is(cause, ErrShutdown):
		return uint8(placeOf(ShuttingDown)) + 1
	case errors.Is(cause, ErrFull):
		return uint8(placeOf(Full)) + 1
	}
	r, _ := RefusalOf(cause)
	return uint8(placeOf(r.Code)) + 1
}

// Refused counts a refusal that a client was told. Gateways call it.
func (h *Hub) Refused(code Code) { h.totals.refusals[placeOf(code)].Add(1) }

// Blame says why the session is about to be closed, for the counters, where its gateway closes it without [Session.End]. Only the
// first cause counts.
func (s *Session) Blame(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blame(cause)
}

// blame is Blame with the lock.
func (s *Session) blame(cause error) {
	if s.why == 0 {
		s.why = causeOf(cause)
	}
}

// Cause is the code of why the session has ended or is about to, "" if it is open or its client has gone by itself.
func (s *Session) Cause() Code {
	if why := s.cause(); why > 0 {
		return refusals[why-1].Code
	}
	return ""
}

func (s *Session) cause() uint8 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// Stats returns the counters.
func (h *Hub) Stats() Stats {
	n := Stats{Subscriptions: int(h.totals.subscriptions.Load()), Heals: h.totals.heals.Load(), Opened: h.totals.opened.Load(),
		Refusals: make(map[Code]uint64, len(refusals)), Disconnects: make(map[Code]uint64, len(refusals)+1)}
	h.mu.RLock()
	n.Sessions = append(n.Sessions, h.sorts...)
	h.mu.RUnlock()
	for i := range h.shards {
		h.shards[i].addTo(&n)
	}
	n.Disconnects[""] = h.totals.disconnects[0].Load()
	for i := range refusals {
		n.Refusals[refusals[i].Code] = h.totals.refusals[i].Load()
		n.Disconnects[refusals[i].Code] = h.totals.disconnects[i+1].Load()
	}
	return n
}

func (sh *shard) addTo(n *Stats) {
	sh.mu.RLock()
	n.Channels += len(sh.channels)
	sh.mu.RUnlock()
	t := &sh.tally
	n.Publications += t.publications.Load()
	n.PublishedBytes += t.publishedBytes.Load()
	n.Duplicates += t.duplicates.Load()
	n.Deliveries += t.deliveries.Load()
	n.DeliveredBytes += t.deliveredBytes.Load()
	n.CaughtUp += t.caughtUp.Load()
	n.Dropped += t.dropped.Load()
	n.Conflated += t.conflated.Load()
	n.Gaps += t.gaps.Load()
	n.Recovered += t.recovered.Load()
	n.Unrecovered += t.missed.Load()
}
