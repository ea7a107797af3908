// How a node stops: the order in which its parts end, and how long each may take.

package server

import (
	"context"
	"errors"
	"net/http"
	"time"
)

const (
	// lastPart is what the hub and the backend have of the time to stop, once clients have gone or were cut; a quarter where that is
	// less.
	lastPart = 2 * time.Second
	// leastForRequests is how long requests may still take once all lines have gone, where half of drain.window is less.
	leastForRequests = time.Second
)

// Shutdown has /readyz say no for drain.ready_delay, says goodbye to every client (close code 1012) over drain.window, or less if
// they are few, and returns when all have gone; [config.Drain.Deadline] is how long ctx must let it. Until everybody was told the node
// listens: polls and POSTs are answered, new lines are refused with 503 and a time to come back. Then it stops listening, and ends
// the hub, whose last step is that the state is saved (state.file), then what is told to the backend, and at the very end the private
// listener.
//
// Clients and requests that take too long are cut, which the log tells, and is no error. When ctx ends before the rest has ended, that
// is cut, too, and the error is the context's. Another call waits until the first has ended.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.stopping.Swap(true) {
		select {
		case <-s.stopped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(s.stopped)
	s.drain(ctx)
	s.log.Info("shutting down", "connections", s.hub.Sessions())
	close(s.stop)
	allGone := s.leave(ctx)
	err := errors.Join(s.hub.Shutdown(ctx), s.service.close(ctx))
	if !allGone {
		err = errors.Join(err, ctx.Err())
	}
	if s.tracer != nil {
		s.tracer.Close(ctx)
	}
	s.identities.close()
	s.stopAdmin()
	return err
}

// drain has /readyz say no and waits for drain.ready_delay, so that balancers look elsewhere, or until ctx ends.
func (s *Server) drain(ctx context.Context) {
	s.admin.draining.Store(true)
	delay := s.Config().Drain.ReadyDelay
	if delay == 0 {
		return
	}
	s.log.Info("not ready any more; clients are told after drain.ready_delay", "delay", delay)
	wait := time.NewTimer(delay)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

func (s *Server) notDraining(context.Context) error {
	if s.admin.draining.Load() {
		return errors.New("the node is about to stop, and takes nobody new")
	}
	return nil
}

// leave takes leave of the clients, and then of the network. It reports false if some had to be cut.
func (s *Server) leave(ctx context.Context) (allGone bool) {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		bounded, cancel := context.WithTimeout(ctx, left-min(lastPart, left/4))
		defer cancel()
		ctx = bounded
	}
	window := s.Config().Drain.Window
	gateways := s.gateways()
	ended := make(chan error, len(gateways))
	for _, g := range gateways {
		go func() { ended <- g.ShutdownOver(ctx, window) }()
	}
	var err error
	for range gateways {
		err = errors.Join(err, <-ended)
	}
	if err != nil {
		s.log.Warn("cut the clients that had not gone after drain.window", "cause", err)
	}
	s.peers.stopRelaying()
	if s.admin.private == nil { // its streams would be waited for
		s.stopConsole()
	}
	requests, cancel := context.WithTimeout(ctx, max(window/2, leastForRequests))
	defer cancel()
	late := s.http.Shutdown(requests)
	if late != nil {
		s.log.Warn("cut the requests that had not ended after drain.window", "requests", s.requests.Load())
		s.http.Close()
	}
	s.front.close() // also where nobody has served yet
	s.peers.closeRelay()
	return err == nil && late == nil
}

// gateway is what clients are connected to.
type gateway interface {
	ShutdownOver(ctx context.Context, window time.Duration) error
}

func (s *Server) gateways() []gateway {
	all := []gateway{s.channels, s.native}
	if s.sockets != nil {
		all = append(all, s.sockets)
	}
	return all
}

// lines is how many connections the gateways have taken over.
func (s *Server) lines() int {
	n := s.channels.Stats().Connections + s.native.Stats().Connections
	if s.sockets != nil {
		n += s.sockets.Stats().Engine.Sockets.Connections
	}
	return n
}

// counted counts the requests that are under way.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		defer s.requests.Add(-1)
		next.ServeHTTP(w, r)
	})
}
