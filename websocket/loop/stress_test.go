// Many connections at once, with everything that may happen to them.

package loop_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
)

// stressMessage tells whose it is: the number of the connection fills it.
func stressMessage(id uint32, size int) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint32(nil, id), 1+size/4)
}

// whose is the connection that all of a message belongs to.
func whose(message []byte) (id uint32, ok bool) {
	if len(message) < 4 {
		return 0, false
	}
	id = binary.BigEndian.Uint32(message)
	return id, bytes.Equal(message, stressMessage(id, len(message)-4))
}

// owner is the Data of a connection under stress: whose it is, from the first message on.
type owner struct{ id atomic.Uint32 }

func TestStress(t *testing.T) {
	const connections, messages = 300, 12
	for _, d := range drivers { // one after the other, for the counts
		for name, mode := range modes {
			if d.tls && mode != websocket.CompressionOff {
				continue // TLS lies beneath it, and knows nothing of it
			}
			t.Run(d.name+" "+name, func(t *testing.T) {
				certificate()
				check := leavesNothing(t)
				stressed(t, d, mode, connections/len(modes), messages)
				check()
			})
		}
	}
}

func stressed(t *testing.T, d driver, mode websocket.CompressionMode, connections, messages int) {
	opts := compressing(mode)
	opts.Outbox.Bytes = 4 << 20
	var s *site
	s = d.start(t, loop.Handler{
		Open: func(c *loop.Conn) { c.Data = new(owner) },
		Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
			id, ok := whose(payload)
			if o := c.Data.(*owner); !ok || !o.id.CompareAndSwap(0, id) && o.id.Load() != id {
				t.Errorf("connection %d was given %d bytes of connection %d, whole: %t", o.id.Load(), len(payload), id, ok)
			}
			answer(s, c, typ, payload)
		},
		Close: func(c *loop.Conn, _ error) {
			if c.Write(websocket.Text, nil) == nil {
				t.Error("a closed connection is written to")
			}
		},
	}, opts)
	var clients sync.WaitGroup
	slots := make(chan struct{}, connections/3) // descriptors and places are used again
	for id := range uint32(connections) {
		clients.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if id%3 == 0 {
				rudeClient(t, s, id+1, messages)
			} else {
				politeClient(t, s, id+1, messages, opts.Accept.Compression)
			}
		})
	}
	clients.Wait()
	if err := s.Shutdown(soon(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if n := s.Stats().Connections; n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// answer writes the message back in one of the ways there are, or ends the connection.
func answer(s *site, c *loop.Conn, typ websocket.MessageType, payload []byte) {
	switch rand.N(60) {
	case 0:
		c.CloseNow()
	case 1:
		c.Close(4000, "at random")
	case 2:
		c.Write(typ, payload) // and if it is detached first, it goes on
		go c.CloseNow()
	case 3:
		c.Write(typ, payload)
		c.Detach(func(b *websocket.Conn) {
			s.detached.Add(1)
			blockingStress(b)
		})
	case 4, 5, 6:
		c.WritePrepared(websocket.Prepare(typ, bytes.Clone(payload)))
	case 7, 8, 9:
		m := bytes.Clone(payload)
		c.Go(func() { c.Write(typ, m) })
	default:
		c.Write(typ, payload)
	}
}

// blockingStress is what a connection under stress does once it is detached.
func blockingStress(c *websocket.Conn) {
	for m, err := range c.Messages(context.Background()) {
		if err != nil || c.Write(context.Background(), m.Type, m.Data) != nil {
			return
		}
	}
}

// politeClient writes on one goroutine and reads on another, until all has come back or the connection has ended.
func politeClient(t *testing.T, s *site, id uint32, messages int, compression websocket.Compression) {
	c, err := s.tryDial(websocket.DialOptions{Compression: compression})
	if err != nil {
		t.Error(err)
		return
	}
	defer c.CloseNow()
	var writing sync.WaitGroup
	defer writing.Wait()
	ctx := soon(t)
	writing.Go(func() {
		for range messages {
			if c.Write(ctx, websocket.Binary, stressMessage(id, rand.N(20)*rand.N(20)*rand.N(20))) != nil {
				return
			}
		}
	})
	for range messages {
		_, m, err := c.Read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				t.Errorf("client %d waited in vain", id)
			}
			c.CloseNow()
			return // at random
		}
		if got, ok := whose(m); !ok || got != id {
			t.Errorf("client %d was sent %d bytes of client %d, whole: %t", id, len(m), got, ok)
		}
	}
	c.Close(1000, "")
}

// rudeClient writes, and goes away in one of the ways there are, while its messages and their answers are on their way.
func rudeClient(t *testing.T, s *site, id uint32, messages int) {
	p := s.peer()
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		for range rand.N(messages) {
			m := frame(wire.Header{Fin: true, Opcode: wire.Binary}, string(stressMessage(id, rand.N(3000))))
			if rand.N(10) == 0 {
				p.nc.Write(m[:rand.N(len(m))])
				p.tcp.Close()
				return
			}
			if _, err := p.nc.Write(m); err != nil {
				break
			}
		}
		switch rand.N(5) {
		case 0:
			p.hangUp()
		case 1:
			p.half()
		case 2:
			p.nc.Write(closing(1000, ""))
		case 3:
			p.nc.Write([]byte{0xFF, 0xFF, 0xFF})
		case 4:
			p.tcp.Close()
		}
	})
	p.tcp.SetReadDeadline(time.Now().Add(time.Duration(rand.N(300)) * time.Millisecond))
	for {
		h, m, err := p.next()
		if err != nil {
			break
		}
		if got, ok := whose([]byte(m)); h.Opcode == wire.Binary && (!ok || got != id) {
			t.Errorf("client %d was sent %d bytes of client %d, whole: %t", id, len(m), got, ok)
		}
	}
	writing.Wait()
	p.tcp.Close()
}

func TestManyHandshakesAtOnceAllComplete(t *testing.T) {
	for _, d := range drivers {
		clients := 2000
		switch {
		case d.goroutines:
			clients = 200
		case d.tls: // all of it is computing, and a handshake has its time
			clients /= raceShare
		}
		t.Run(d.name, func(t *testing.T) {
			s := d.start(t, loop.Handler{Message: echo}, loop.Options{})
			var done sync.WaitGroup
			var echoed atomic.Int32
			for i := range clients {
				done.Go(func() {
					p := s.connect()
					defer p.tcp.Close()
					p.tcp.SetDeadline(time.Now().Add(3 * patience))
					want := fmt.Sprint(i)
					p.send([]byte(upgrade+"\r\n"), text(want))
					if _, err := http.ReadResponse(p.r, nil); err != nil {
						t.Errorf("handshake %d: %v", i, err)
						return
					}
					if _, got, err := p.next(); err != nil || got != want {
						t.Errorf("client %d was sent %q, %v", i, got, err)
						return
					}
					echoed.Add(1)
				})
			}
			done.Wait()
			if n := int(echoed.Load()); n != clients {
				t.Errorf("%d of %d were served", n, clients)
			}
			until(t, "all are gone", func() bool { return s.Stats().Connections == 0 })
		})
	}
}
