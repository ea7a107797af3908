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
	lost     gap
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

// drop drops the oldest.
func (b *backlog) drop() {
	p := b.take()
	b.tally.dropped.Add(1)
	if b.lost.To == 0 {
		b.lost.From = p.Offset
	}
	b.lost.To = p.Offset
}

// dropAll drops everything, because what comes after it up to an offset is lost as well.
func (b *backlog) dropAll(from, to uint64) {
	for b.len() > 0 {
		b.drop()
	}
	if b.lost.To == 0 {
		b.lost.From = from
	}
	b.lost.To = to
}

// next takes the oldest out; nil if there is none. gap is what was lost before it.
func (b *backlog) next() (p *Publication, lost gap) {
	if b.len() > 0 {
		p = b.take()
	}
	lost, b.lost = b.lost, gap{}
	return p, lost
}

func (b *backlog) take() *Publication {
	if len(b.leaving) == 0 {
		b.leaving, b.gathers, b.occupied = slices.DeleteFunc(b.gathers, func(p *Publication) bool { return p == nil }), nil, 0
		clear(b.newest)
	}
	p := b.leaving[0]
	b.leaving[0] = nil
	b.leaving = b.leaving[1:]
	b.bytes -= size(p)
	return p
}
