// What gathers for a slow subscriber where the rule allows publications to be dropped.

package hub

import "slices"

// backlog is a bounded queue of publications, in the order of their offsets. In one that conflates, a publication takes the place
// of an earlier one with the same key, but moves to the end.
//
// What is being handed over is kept apart from what gathers meanwhile, and is not conflated any more: a key that changes without
// pause would otherwise always be at the end, and never handed over.
type backlog struct {
	limit    int // bytes
	bytes    int
	leaving  []*Publication // older than all that gathers
	gathers  []*Publication // nil where a newer one has taken the place
	newest   map[string]int // index in gathers, by key; nil if the backlog does not conflate
	lost     []gap          // in order; all of one that is before what waits is told first
	tally    *tally
	occupied int // of gathers that are not nil
}

// gap is a run of offsets, both ends included; To is 0 if there is none.
type gap struct{ From, To uint64 }

// perPublication is what one that waits is charged beside its payload.
const perPublication = 64

func newBacklog(rule *Rule, t *tally) *backlog {
	b := &backlog{limit: rule.Backlog, tally: t}
	if rule.Slow == Conflate {
		b.newest = make(map[string]int)
	}
	return b
}

func size(p *Publication) int { return len(p.Payload) + len(p.Key) + perPublication }

func (b *backlog) len() int { return len(b.leaving) + b.occupied }

// add puts p at the end; what no longer fits is dropped at the front. The newest stays in any case.
func (b *backlog) add(p *Publication) {
	if b.newest != nil {
		if at, ok := b.newest[p.Key]; ok {
			b.bytes -= size(b.gathers[at])
			b.gathers[at] = nil
			b.occupied--
			b.tally.conflated.Add(1)
		}
		if len(b.gathers) >= 2*b.occupied+page {
			b.compact()
		}
		b.newest[p.Key] = len(b.gathers)
	}
	b.gathers = append(b.gathers, p)
	b.occupied++
	b.bytes += size(p)
	for b.bytes > b.limit && b.len() > 1 {
		b.drop()
	}
}

// compact takes the empty places out.
func (b *backlog) compact() {
	b.gathers = slices.DeleteFunc(b.gathers, func(p *Publication) bool { return p == nil })
	for at, p := range b.gathers {
		b.newest[p.Key] = at
	}
}

// drop drops the oldest, which is a loss unless a newer value of its key waits.
func (b *backlog) drop() {
	p := b.take()
	b.tally.dropped.Add(1)
	if _, newer := b.newest[p.Key]; newer {
		return
	}
	lost := gap{p.Offset, p.Offset}
	for len(b.lost) > 0 && b.lost[0].From <= p.Offset+1 { // one gap of all that is before what waits
		lost.From, lost.To = min(lost.From, b.lost[0].From), max(lost.To, b.lost[0].To)
		b.lost = b.lost[1:]
	}
	b.lost = slices.Insert(b.lost, 0, lost)
}

// skip notes that what comes next, from an offset to another, is lost.
func (b *backlog) skip(from, to uint64) {
	if last := len(b.lost) - 1; last >= 0 && b.lost[last].To+1 == from {
		b.lost[last].To = to
		return
	}
	b.lost = append(b.lost, gap{from, to})
}

// next takes the oldest out; nil if there is none. lost is what was lost before it: if that is something, p is nil.
func (b *backlog) next() (p *Publication, lost gap) {
	if b.len() > 0 {
		p = b.oldest()
	}
	if len(b.lost) > 0 && (p == nil || b.lost[0].From < p.Offset) {
		lost, b.lost = b.lost[0], b.lost[1:]
		return nil, lost
	}
	if p != nil {
		b.take()
	}
	return p, gap{}
}

// oldest is what take would take.
func (b *backlog) oldest() *Publication {
	if len(b.leaving) == 0 {
		b.leaving, b.gathers, b.occupied = slices.DeleteFunc(b.gathers, func(p *Publication) bool { return p == nil }), nil, 0
		clear(b.newest)
	}
	return b.leaving[0]
}

func (b *backlog) take() *Publication {
	p := b.oldest()
	b.leaving[0] = nil
	b.leaving = b.leaving[1:]
	b.bytes -= size(p)
	return p
}
