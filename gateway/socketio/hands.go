// The goroutines that run handlers. One that has nothing more to do stays for the next socket, as its stack has grown to what handlers need:
// a new one has to grow again at every event. Few stay, so that an idle server holds hardly anything.

package socketio

import "sync"

// maxResting is how many goroutines may stay: half a megabyte of stacks, of some 8 KiB each.
const maxResting = 64

// hands are the goroutines that work off the tasks of sockets.
type hands struct {
	all  sync.WaitGroup
	next chan *Socket  // to one that has nothing to do
	free chan struct{} // a place for each that may stay
	over chan struct{} // closed when none may stay any more
	end  sync.Once
}

func (h *hands) init() {
	h.next, h.over = make(chan *Socket), make(chan struct{})
	h.free = make(chan struct{}, maxResting)
}

// work has somebody do the tasks of a socket. It does not wait.
func (h *hands) work(s *Socket) {
	select {
	case h.next <- s:
	default:
		h.all.Go(func() { h.run(s) })
	}
}

func (h *hands) run(s *Socket) {
	for s != nil {
		s.work()
		s = h.rest()
	}
}

// rest waits for the next socket. It is nil if enough others wait already, or nobody may any more.
func (h *hands) rest() *Socket {
	select {
	case h.free <- struct{}{}:
	default:
		return nil
	}
	defer func() { <-h.free }()
	select {
	case s := <-h.next:
		return s
	case <-h.over:
		return nil
	}
}

// wait waits until all tasks have been done. Those that come afterwards are still done.
func (h *hands) wait() {
	h.end.Do(func() { close(h.over) })
	h.all.Wait()
}
