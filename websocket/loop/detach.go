// Leaving the loop: a connection that goes on with the blocking API.

package loop

import (
	"errors"
	"fmt"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
)

// Detach takes the connection off the loop, once the handler that called it has returned and what waits has been written,
// and runs serve with it as a blocking connection, on a goroutine of its own. Nothing is lost: what the peer has sent
// already is read by serve. The handler's Close is not called for it any more; when serve returns the connection is closed
// with 1000 if it is still open, with 1011 if serve has panicked. Shutdown closes it like any other. If the connection ends before what waits has been
// written, the handler's Close is called, and serve is not.
//
// Detach may be called only from within the handler's Open or Message, and not in a call that has called Go.
func (c *Conn) Detach(serve func(*websocket.Conn)) error {
	if c.stream {
		return errors.New("websocket: a stream cannot be detached: it is no WebSocket")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at() != stateOpen {
		return websocket.ErrClosing
	}
	if c.pausing.Load() {
		return errors.New("websocket: Detach after Go or Detach in the same call of the handler")
	}
	c.pausing.Store(true)
	c.needRare().detach = serve
	c.wake()
	return nil
}

// detaching is the function that Detach was called with, or nil.
func (c *Conn) detaching() func(*websocket.Conn) {
	if c.rare() == nil {
		return nil
	}
	return c.rare().detach
}

// goOn runs serve with what the driver has handed back: the connection's line and state.
func (c *Conn) goOn(u *bridge.Upgraded, serve func(*websocket.Conn)) {
	u.Subprotocol = c.Subprotocol()
	u.Deflator, u.WindowBits, u.Inflator = c.deflator, c.windowBits, c.messages.Inflator()
	conn, err := bridge.Blocking(u, &c.server.opts.Accept)
	if err != nil {
		u.NetConn.Close()
		c.notDetached(err)
		return
	}
	blocking := conn.(*websocket.Conn)
	c.server.noteDetached(blocking)
	defer c.server.forgetDetached(blocking)
	code := websocket.StatusInternalError
	c.guard(func() {
		serve(blocking)
		code = websocket.StatusNormalClosure
	})
	blocking.Close(code, "")
}

// notDetached tells the handler of the end of a connection that has left its driver and could not go on.
func (c *Conn) notDetached(err error) {
	c.mu.Lock()
	c.err = fmt.Errorf("websocket: leaving the event loop: %w", err)
	err = c.err
	c.mu.Unlock()
	c.guard(func() { c.server.handler.Close(c, err) })
}

// noteDetached has Shutdown close a detached connection, too.
func (s *Server) noteDetached(c *websocket.Conn) {
	s.mu.Lock()
	late := s.closed
	s.detached[c] = struct{}{}
	s.mu.Unlock()
	if late {
		c.Close(websocket.StatusGoingAway, "")
	}
}

func (s *Server) forgetDetached(c *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.detached, c)
}

// eachDetached calls f for all detached connections, each on a goroutine of its own, as f may wait for the network.
func (s *Server) eachDetached(f func(*websocket.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.detached {
		s.working.Go(func() { f(c) })
	}
}
