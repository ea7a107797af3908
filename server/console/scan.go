// Walking over very many sessions or channels: few at a time, and only what fits on a page is kept.

package console

import (
	"container/heap"
	"slices"

	"github.com/ringdown/ringdown/hub"
)

// scanSlice is how much is walked over before it is looked whether anybody still waits for the answer.
const scanSlice = 4096

// scan waits until a walk may begin; done ends it.
func (c *Handler) scan(r *request) (done func(), err error) {
	select {
	case c.scans <- struct{}{}:
		return func() { <-c.scans }, nil
	case <-r.Context().Done():
		return nil, r.gone()
	}
}

// gone is the error of a request whose client has given up, nil if it has not.
func (r *request) gone() error {
	if err := r.Context().Err(); err != nil {
		return hub.Errorf(hub.Unavailable, "the answer is not waited for any more: %w", err)
	}
	return nil
}

// selection keeps the first few of very many, in an order: a heap whose root is the last of them.
type selection[T any] struct {
	most  int
	order func(x, y T) int
	kept  []T
}

func newSelection[T any](most int, order func(x, y T) int) *selection[T] {
	return &selection[T]{most: most, order: order}
}

// offer keeps one if it is among the first.
func (s *selection[T]) offer(one T) {
	switch {
	case len(s.kept) < s.most:
		heap.Push(s, one)
	case s.order(one, s.kept[0]) < 0:
		s.kept[0] = one
		heap.Fix(s, 0)
	}
}

// sorted are those that were kept, the first one first.
func (s *selection[T]) sorted() []T {
	slices.SortFunc(s.kept, s.order)
	if s.kept == nil {
		return []T{}
	}
	return s.kept
}

// Len, Less, Swap, Push and Pop are for container/heap.
func (s *selection[T]) Len() int           { return len(s.kept) }
func (s *selection[T]) Less(i, j int) bool { return s.order(s.kept[i], s.kept[j]) > 0 }
func (s *selection[T]) Swap(i, j int)      { s.kept[i], s.kept[j] = s.kept[j], s.kept[i] }
func (s *selection[T]) Push(one any)       { s.kept = append(s.kept, one.(T)) }
func (s *selection[T]) Pop() any {
	last := len(s.kept) - 1
	one := s.kept[last]
	s.kept = s.kept[:last]
	return one
}
