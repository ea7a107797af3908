// Endings that come while somebody is in the middle of something: a message half written, half read, or waited for.

package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

// A compressor may see one message at a time, also on a connection that has ended and makes nobody wait any more. The
// race detector is the judge.
func TestACompressorIsNotSharedAfterTheEnd(t *testing.T) {
	message := []byte(lorem(20_000)) // enough to be compressed at once
	for how, end := range map[string]func(*websocket.Conn, *peer){
		"CloseNow":         func(c *websocket.Conn, _ *peer) { c.CloseNow() },
		"the peer's going": func(c *websocket.Conn, p *peer) { p.nc.Close(); c.Read(context.Background()) },
		"the peer's close": func(c *websocket.Conn, p *peer) { p.send(p.closing(1000, "")); c.Read(context.Background()) },
		"a violation":      func(c *websocket.Conn, p *peer) { p.send([]byte{0x83, 0x80}); c.Read(context.Background()) },
	} {
		for name, mode := range modes {
			for other, write := range map[string]func(context.Context, *websocket.Conn) error{
				"Write": func(ctx context.Context, c *websocket.Conn) error { return c.Write(ctx, websocket.Text, message) },
				"WritePrepared": func(ctx context.Context, c *websocket.Conn) error {
					return c.WritePrepared(ctx, websocket.Prepare(websocket.Text, message))
				},
				"Writer": func(ctx context.Context, c *websocket.Conn) error {
					w, err := c.Writer(ctx, websocket.Text)
					if err == nil {
						_, err = w.Write(message)
					}
					if err == nil {
						err = w.Close()
					}
					return err
				},
			} {
				t.Run(other+" after "+how+", "+name, func(t *testing.T) {
					l := link{offer: "permessage-deflate"}.compressed(mode)
					c, p := l.rawClient(t)
					p.discard()
					w, _ := c.Writer(t.Context(), websocket.Text)
					if _, err := w.Write(message); err != nil {
						t.Fatal(err)
					}
					end(c, p)
					<-c.Done()
					var wg sync.WaitGroup
					wg.Go(func() { w.Write(message) }) // gathers on, and may not have noticed
					wg.Go(func() {
						if err := write(context.Background(), c); !errors.Is(err, net.ErrClosed) {
							t.Errorf("written after the end: %v", err)
						}
					})
					wg.Wait()
					if w.Close() == nil {
						t.Error("the message was ended after the end of its connection")
					}
				})
			}
		}
	}
}

// stream writes a message that does not end before its connection does. It closes begun when a part of it has left, and
// returns what ended it.
func stream(c *websocket.Conn, begun chan<- struct{}) error {
	w, err := c.Writer(context.Background(), websocket.Binary)
	piece := []byte(lorem(70_000))
	for i := 0; err == nil; i++ {
		_, err = w.Write(piece)
		if i == 4 {
			close(begun)
		}
	}
	return err
}

// drain reads one message after the other as streams, and returns what ended the connection.
func drain(c *websocket.Conn) error {
	for {
		_, r, err := c.Reader(context.Background())
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			return err
		}
	}
}

// A Close frame may pass between the frames of a message: the handshake is completed, whoever began it.
func TestClosingWithinAStreamedMessageFinishesTheHandshake(t *testing.T) {
	for how, test := range map[string]struct {
		end       func(writer, reader *websocket.Conn) error
		code      websocket.StatusCode
		violation bool // of the reader's; the writer closes for it
	}{
		"by its writer": {func(w, _ *websocket.Conn) error { return w.Close(4001, "enough") }, 4001, false},
		"by its reader": {func(_, r *websocket.Conn) error { return r.Close(4002, "enough") }, 4002, false},
		"by a violation": {func(_, r *websocket.Conn) error {
			return r.Write(context.Background(), websocket.Binary, make([]byte, 1500))
		}, 1009, true},
	} {
		for name, mode := range modes {
			for who, flip := range map[string]bool{"server writes": false, "client writes": true} {
				t.Run(how+", "+name+", "+who, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := link{over: overPipe}.compressed(mode)
						l.accept.Compression.Threshold = 10_000 // the violation stays large
						l.dial.Compression.Threshold = 10_000
						limits := websocket.Limits{Message: 1000}
						if flip {
							l.accept.Limits.Message, l.dial.Limits = -1, limits
						} else {
							l.accept.Limits, l.dial.Limits.Message = limits, -1
						}
						writer, reader := l.connect(t)
						if flip {
							writer, reader = reader, writer
						}
						begun, streamed, drained := make(chan struct{}), make(chan error, 1), make(chan error, 1)
						go func() { streamed <- stream(writer, begun) }()
						go func() { drained <- drain(reader) }()
						heard := readInBackground(context.Background(), writer)
						<-begun
						if err := test.end(writer, reader); err != nil {
							t.Error(err)
						}
						if err := <-drained; websocket.CloseStatus(err) != test.code {
							t.Errorf("the reader ends with %v", err)
						}
						if err := (<-heard).err; test.violation {
							wantViolation(t, err, test.code, "")
						} else if websocket.CloseStatus(err) != test.code {
							t.Errorf("the writer's side ends with %v", err)
						}
						wantError(t, <-streamed, net.ErrClosed, "")
					})
				})
			}
		}
	}
}

// A peer that closes its line right behind its Close frame cannot be answered; what it said counts all the same.
func TestACloseFrameThatCannotBeAnsweredIsHeard(t *testing.T) {
	for who, raw := range bothRoles {
		t.Run(who, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := raw(link{over: overPipe}, t)
				result := readInBackground(context.Background(), c)
				p.send(p.closing(4001, "bye"))
				p.nc.Close()
				for _, err := range []error{(<-result).err, c.Err()} {
					if websocket.CloseStatus(err) != 4001 {
						t.Errorf("the connection ends with %v", err)
					}
				}
			})
		})
	}
}

// The same handshake step by step: the message goes on between our Close frame and the peer's.
func TestAWriterMeetsOurCloseFrameWithoutHarm(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := link{over: overPipe, offer: "permessage-deflate"}.compressed(mode)
				c, p := l.rawClient(t)
				w, _ := c.Writer(context.Background(), websocket.Text)
				begun := make(chan error, 1)
				go func() { _, err := io.WriteString(w, lorem(300_000)); begun <- err }()
				if h, _, err := p.next(); h.Fin || err != nil {
					t.Fatalf("%v, %v, want the first of several frames", h, err)
				}
				closed := make(chan error, 1)
				go func() { closed <- c.Close(4001, "enough") }()
				p.wantClose(4001, "enough")
				synctest.Wait()
				if err := <-begun; err == nil { // the frames before the Close frame may have been all
					_, err = io.WriteString(w, lorem(300_000))
					wantError(t, err, websocket.ErrClosing, "")
				}
				wantError(t, w.Close(), websocket.ErrClosing, "")
				if c.Err() != nil {
					t.Fatalf("the handshake was not waited for: %v", c.Err())
				}
				p.send(p.closing(4001, ""))
				if err := <-closed; err != nil {
					t.Error(err)
				}
				if websocket.CloseStatus(c.Err()) != 4001 {
					t.Error(c.Err())
				}
			})
		})
	}
}

// bufferOf is the read buffer that c holds, in bytes. Nothing but memory tells of it from outside.
func bufferOf(c *websocket.Conn) int {
	line := reflect.ValueOf(c).Elem().FieldByName("line")
	return line.FieldByName("buf").Cap() + reflect.ValueOf(c).Elem().FieldByName("in").Cap()
}

// A program may keep a connection that has ended in some table of its own; the connection keeps no buffer with it.
func TestAnEndedConnectionHoldsNoReadBuffer(t *testing.T) {
	for how, end := range map[string]func(*websocket.Conn, *peer){
		"the peer's close":            func(_ *websocket.Conn, p *peer) { p.send(p.closing(1000, ""), p.text("ignored")) },
		"a violation":                 func(_ *websocket.Conn, p *peer) { p.send(append([]byte{0x83, 0x80}, p.text("ignored")...)) },
		"the peer's going":            func(_ *websocket.Conn, p *peer) { p.nc.Close() },
		"the peer's going, half-told": func(_ *websocket.Conn, p *peer) { p.send(p.text("half told")[:9]); p.nc.Close() },
		"CloseNow":                    func(c *websocket.Conn, _ *peer) { c.CloseNow() },
	} {
		for way, read := range map[string]func(*websocket.Conn) error{
			"Read": func(c *websocket.Conn) error { _, _, err := c.Read(context.Background()); return err },
			"Messages": func(c *websocket.Conn) error {
				for range c.Messages(context.Background()) {
				}
				return c.Err()
			},
			"Reader": drain,
			"CloseRead": func(c *websocket.Conn) error {
				ctx := c.CloseRead(context.Background())
				<-ctx.Done()
				c.Read(context.Background()) // when it returns, the one in the background has too
				return context.Cause(ctx)
			},
		} {
			t.Run(how+", met by "+way, func(t *testing.T) {
				c, p := link{}.rawClient(t)
				p.send(p.text("whole"))
				wantMessage(t, c, websocket.Text, "whole")
				end(c, p)
				if err := read(c); err == nil {
					t.Error("read on after the end")
				}
				if n := bufferOf(c); n > 0 {
					t.Errorf("%d bytes of buffer are held", n)
				}
			})
		}
	}
}

// What is left of a message when its connection has ended lies in a buffer that may be another connection's by now.
func TestAStreamGivesNothingOutOfABufferGivenBack(t *testing.T) {
	for name, packed := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			c, p := deflated.rawClient(t)
			if packed {
				p.send(p.packed(wire.Text, lorem(1000)))
			} else {
				p.send(p.text(lorem(1000)))
			}
			_, r, err := c.Reader(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(r, make([]byte, 10))
			c.CloseNow()
			if _, _, err := c.Read(soon(t)); !errors.Is(err, websocket.ErrClosed) {
				t.Error(err)
			}
			if got, err := io.ReadAll(r); len(got) > 0 || err == nil {
				t.Errorf("%.40q, %v", got, err)
			}
		})
	}
}

// A write that is interrupted in the middle ends the connection; to those who read, that is an end like any other, and
// no time-out of theirs.
func TestReadersAreNotToldOfAWritersContext(t *testing.T) {
	for how, ending := range endings {
		for what, write := range map[string]func(context.Context, *websocket.Conn) error{
			"a small Write": func(ctx context.Context, c *websocket.Conn) error { return c.Write(ctx, websocket.Text, []byte("x")) },
			"a large Write": func(ctx context.Context, c *websocket.Conn) error {
				return c.Write(ctx, websocket.Text, make([]byte, 100_000))
			},
			"WritePrepared": func(ctx context.Context, c *websocket.Conn) error {
				return c.WritePrepared(ctx, websocket.Prepare(websocket.Text, []byte("x")))
			},
			"a Writer": func(ctx context.Context, c *websocket.Conn) error {
				w, _ := c.Writer(ctx, websocket.Text)
				_, err := w.Write(make([]byte, 100_000))
				return err
			},
			"Ping": func(ctx context.Context, c *websocket.Conn) error { _, err := c.Ping(ctx); return err },
			"Uncork": func(ctx context.Context, c *websocket.Conn) error {
				c.Cork()
				c.Write(ctx, websocket.Text, []byte("x"))
				return c.Uncork(ctx)
			},
			"Close": func(ctx context.Context, c *websocket.Conn) error { return c.Close(1000, "") },
		} {
			t.Run(what+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := link{over: overPipe}
					l.accept.KeepAlive.Interval = -1
					c, _ := l.rawClient(t) // who does not read
					waiting := readInBackground(context.Background(), c)
					ctx, end := ending()
					written := make(chan error, 1)
					go func() { written <- write(ctx, c) }()
					synctest.Wait()
					end()
					if err := <-written; err == nil {
						t.Fatal("written to nobody")
					} else if what != "Close" && !errors.Is(err, ctx.Err()) {
						t.Errorf("the writer is told %v", err)
					} else if what == "Close" {
						wantNoContextError(t, err)
					}
					wantNoContextError(t, (<-waiting).err)
					for range 2 {
						_, _, err := c.Read(context.Background())
						wantNoContextError(t, err)
					}
					_, _, err := c.Reader(context.Background())
					wantNoContextError(t, err)
					wantNoContextError(t, c.Err())
				})
			})
		}
	}
}

func wantNoContextError(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want one of the connection's", err)
	}
}

// io.ReadAll and io.Copy take io.EOF for a good end. A line that is lost is none, wherever it breaks.
func TestALineThatIsLostIsAnUnexpectedEOF(t *testing.T) {
	for where, bytes := range map[string]func(p *peer) []byte{
		"between messages": func(*peer) []byte { return nil },
		"in a header":      func(p *peer) []byte { return p.text(lorem(300))[:3] },
		"in a payload":     func(p *peer) []byte { return p.text(lorem(300))[:100] },
		"between fragments": func(p *peer) []byte {
			return p.frame(wire.Header{Opcode: wire.Text}, "half a message")
		},
		"in a compressed payload": func(p *peer) []byte { return p.packed(wire.Text, lorem(300))[:50] },
		"in a ping":               func(p *peer) []byte { return p.control(wire.Ping, "there?")[:8] },
		"in a Close frame":        func(p *peer) []byte { return p.closing(1000, "bye")[:8] },
	} {
		for way, read := range map[string]func(*websocket.Conn) error{
			"Read":   func(c *websocket.Conn) error { _, _, err := c.Read(context.Background()); return err },
			"Reader": drain,
			"Messages": func(c *websocket.Conn) (last error) {
				for _, err := range c.Messages(context.Background()) {
					last = err
				}
				return last
			},
			"NetConn": func(c *websocket.Conn) error {
				_, err := io.Copy(io.Discard, websocket.NetConn(context.Background(), c, websocket.Text))
				return err
			},
		} {
			for _, over := range []medium{overTCP, overTLS} {
				t.Run(where+", by "+way+", "+string(over), func(t *testing.T) {
					l := deflated
					l.over = over
					c, p := l.rawClient(t)
					if b := bytes(p); b != nil {
						p.send(b)
					}
					p.nc.Close()
					for _, err := range []error{read(c), c.Err()} {
						wantError(t, err, io.ErrUnexpectedEOF, "without a Close frame")
						if errors.Is(err, io.EOF) {
							t.Errorf("%v passes for a good end", err)
						}
					}
				})
			}
		}
	}
}

func TestMessagesEndsQuietlyAfterOnesOwnClose(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, c *websocket.Conn, p *peer){
		"answered in kind": func(t *testing.T, c *websocket.Conn, p *peer) {
			go func() { p.wantClose(4000, "bye"); p.send(p.closing(4000, "bye")) }()
			c.Close(4000, "bye")
		},
		"answered with another code": func(t *testing.T, c *websocket.Conn, p *peer) {
			go func() { p.wantClose(1011, ""); p.send(p.closing(1008, "")) }()
			c.Close(1011, "")
		},
		"answered with a violation": func(t *testing.T, c *websocket.Conn, p *peer) {
			go func() { p.wantClose(1000, ""); p.send([]byte{0x83, 0x80}) }()
			c.Close(1000, "")
		},
		"answered by going": func(t *testing.T, c *websocket.Conn, p *peer) {
			go func() { p.wantClose(1000, ""); p.nc.Close() }()
			c.Close(1000, "")
		},
		"never answered": func(t *testing.T, c *websocket.Conn, p *peer) { p.discard(); c.Close(4000, "") },
		"never read":     func(t *testing.T, c *websocket.Conn, p *peer) { c.Close(4000, "") },
		"from elsewhere": func(t *testing.T, c *websocket.Conn, p *peer) {
			go c.Close(4000, "bye")
			p.wantClose(4000, "bye")
			go p.send(p.closing(4000, "bye"))
		},
		"CloseNow":                 func(_ *testing.T, c *websocket.Conn, _ *peer) { c.CloseNow() },
		"CloseNow, from elsewhere": func(_ *testing.T, c *websocket.Conn, _ *peer) { go c.CloseNow() },
		"CloseNow of a line that is lost": func(_ *testing.T, c *websocket.Conn, p *peer) {
			p.nc.Close()
			c.Read(context.Background())
			c.CloseNow()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := link{over: overPipe}.rawClient(t)
				go p.send(p.text("one"))
				turns := 0
				for _, err := range c.Messages(context.Background()) {
					if turns++; err != nil {
						t.Errorf("turn %d: %v", turns, err)
						break
					}
					end(t, c, p)
				}
				if turns != 1 || c.Err() == nil {
					t.Errorf("%d turns, connection %v", turns, c.Err())
				}
			})
		})
	}
}

// A Close that was refused has closed nothing.
func TestMessagesIsNotQuietedByACloseThatWasRefused(t *testing.T) {
	c, p := link{}.rawClient(t)
	wantError(t, c.Close(999, ""), nil, "may not be sent")
	p.send(p.closing(4000, "bye"))
	var last error
	for _, err := range c.Messages(context.Background()) {
		last = err
	}
	if websocket.CloseStatus(last) != 4000 {
		t.Errorf("the loop ended with %v", last)
	}
}
