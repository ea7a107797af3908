// A queue in one array.

package memory

// ring is a queue of what comes at the back and goes at the front. The zero value is empty, and an empty one holds no memory.
type ring[T any] struct {
	slots []T // as many as a power of two, or none
	head  int
	n     int
}

const minSlots = 4

func (r *ring[T]) len() int { return r.n }

// at returns the i-th, counted from the front, which is 0.
func (r *ring[T]) at(i int) T { return r.slots[(r.head+i)&(len(r.slots)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.slots) {
		r.resize(max(minSlots, 2*r.n))
	}
	r.slots[(r.head+r.n)&(len(r.slots)-1)] = v
	r.n++
}

// pop takes out the front.
func (r *ring[T]) pop() T {
	v := r.at(0)
	var none T
	r.slots[r.head] = none
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.n--
	switch {
	case r.n == 0:
		*r = ring[T]{}
	case len(r.slots) > minSlots && r.n <= len(r.slots)/4:
		r.resize(len(r.slots) / 2)
	}
	return v
}

func (r *ring[T]) resize(size int) {
	slots := make([]T, size)
	for i := range r.n {
		slots[i] = r.at(i)
	}
	r.slots, r.head = slots, 0
}
