// Writing from many goroutines, in streams, and with contexts that end.

package websocket_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

func TestWritesFromManyGoroutinesArriveWholeAndInOrder(t *testing.T) {
	const writers, each = 50, 16
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			server, client := link{}.compressed(mode).connect(t)
			ctx := soon(t)
			var wg sync.WaitGroup
			for id := range writers {
				wg.Go(func() {
					for n := range each {
						if err := writeNumbered(ctx, client, id, n); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			var next [writers]int
			for range writers * each {
				_, data, err := server.Read(ctx)
				if err != nil {
					t.Fatal(err)
				}
				id, n := int(data[0]), int(data[1])
				if n != next[id] {
					t.Fatalf("writer %d: message %d came in place of %d", id, n, next[id])
				}
				next[id]++
				if want := numbered(id, n); string(data) != want {
					t.Fatalf("writer %d: message %d is not whole", id, n)
				}
			}
			wg.Wait()
		})
	}
}

// numbered is the nth message of a writer: one in eight is large.
func numbered(id, n int) string {
	size := 10 + id
	if n%8 == 7 {
		size = 40_000 + id
	}
	return string([]byte{byte(id), byte(n)}) + strings.Repeat(string(rune('a'+id%26)), size)
}

// writeNumbered writes that message in one of the ways there are.
func writeNumbered(ctx context.Context, c *websocket.Conn, id, n int) error {
	message := []byte(numbered(id, n))
	switch (id + n) % 5 {
	case 0:
		w, err := c.Writer(ctx, websocket.Binary)
		if err != nil {
			return err
		}
		w.Write(message[:5])
		w.Write(message[5:])
		return w.Close()
	case 1:
		return c.WritePrepared(ctx, websocket.Prepare(websocket.Binary, message))
	}
	return c.Write(ctx, websocket.Binary, message)
}

func TestWriteLeavesThePayloadAsItWas(t *testing.T) {
	for name, mode := range modes {
		server, client := link{}.compressed(mode).connect(t)
		for _, n := range []int{5, 100, 100_000} {
			payload := []byte(lorem(n))
			go client.Write(soon(t), websocket.Text, payload)
			wantMessage(t, server, websocket.Text, lorem(n))
			if string(payload) != lorem(n) {
				t.Errorf("%s: writing changed a payload of %d bytes", name, n)
			}
		}
	}
}

func TestOtherTypesThanTextAndBinaryAreRefused(t *testing.T) {
	server, client := link{}.connect(t)
	ctx := soon(t)
	for _, typ := range []websocket.MessageType{0, 3, 8, 9, 255} {
		wantError(t, client.Write(ctx, typ, nil), nil, "use Text or Binary")
		_, err := client.Writer(ctx, typ)
		wantError(t, err, nil, "use Text or Binary")
		wantError(t, client.WritePrepared(ctx, websocket.Prepare(typ, nil)), nil, "use Text or Binary")
	}
	client.Write(ctx, websocket.Text, []byte("still there"))
	wantMessage(t, server, websocket.Text, "still there")
}

func TestWriterGathersSmallPiecesIntoOneFrame(t *testing.T) {
	server, p := link{}.rawClient(t)
	w, _ := server.Writer(t.Context(), websocket.Text)
	for range 100 {
		fmt.Fprint(w, "ten bytes.")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.want(wire.Text, strings.Repeat("ten bytes.", 100))
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("a write behind Close was taken")
	}
	wantError(t, w.Close(), nil, "closed")
	empty, _ := server.Writer(t.Context(), websocket.Binary)
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	p.want(wire.Binary, "")
}

func TestWriterStreamsLargeMessages(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			server, client := link{}.compressed(mode).connect(t)
			for _, n := range []int{0, 1, 32 << 10, 32<<10 + 1, 200_000} {
				for _, step := range []int{1000, 32 << 10, 70_000} {
					go func() {
						w, _ := server.Writer(t.Context(), websocket.Text)
						io.CopyBuffer(struct{ io.Writer }{w}, strings.NewReader(lorem(n)), make([]byte, step))
						if err := w.Close(); err != nil {
							t.Error(err)
						}
					}()
					wantMessage(t, client, websocket.Text, lorem(n))
				}
			}
		})
	}
}

func TestMessagesWaitForAWriterAndPingsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, p := link{over: overPipe}.rawClient(t)
		ctx := context.Background()
		go server.Read(ctx)
		w, _ := server.Writer(ctx, websocket.Text)
		first := strings.Repeat("1", 40_000)
		begun := make(chan error, 1)
		go func() { _, err := io.WriteString(w, first); begun <- err }()
		p.want(wire.Text, first[:32<<10])
		if err := <-begun; err != nil {
			t.Fatal(err)
		}
		var waited sync.WaitGroup
		waited.Go(func() {
			if err := server.Write(ctx, websocket.Text, []byte("whole")); err != nil {
				t.Error(err)
			}
		})
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := server.Write(short, websocket.Text, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a message within another: %v", err)
		}
		p.send(p.control(wire.Ping, "are you there?"))
		p.want(wire.Pong, "are you there?")
		go server.Ping(ctx)
		if h, _, err := p.next(); h.Opcode != wire.Ping || err != nil {
			t.Errorf("got %v, %v, want a ping", h.Opcode, err)
		}
		waited.Go(func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
		p.want(wire.Continuation, first[32<<10:])
		p.want(wire.Text, "whole")
		waited.Wait()
	})
}

// A message that was begun and will never end must not keep others waiting on a connection that has ended.
func TestWritersBehindAnUnfinishedMessageWakeWhenTheConnectionEnds(t *testing.T) {
	for name, mode := range modes {
		for how, end := range map[string]func(*websocket.Conn, *peer){
			"CloseNow":     func(c *websocket.Conn, _ *peer) { c.CloseNow() },
			"peer is gone": func(c *websocket.Conn, p *peer) { p.nc.Close(); c.Read(context.Background()) },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := deflated
					l.over, l.accept.Compression.Mode = overPipe, mode
					server, p := l.rawClient(t)
					p.discard()
					ctx := context.Background()
					w, _ := server.Writer(ctx, websocket.Text)
					if _, err := io.WriteString(w, strings.Repeat("1", 40_000)); err != nil {
						t.Fatal(err)
					}
					written := make(chan error)
					go func() { written <- server.Write(ctx, websocket.Text, nil) }()
					go func() { written <- server.WritePrepared(ctx, websocket.Prepare(websocket.Text, nil)) }()
					synctest.Wait()
					end(server, p)
					synctest.Wait()
					for range 2 {
						select {
						case err := <-written:
							if err == nil {
								t.Error("written to a connection that has ended")
							}
						default:
							t.Fatal("a Write waits for ever")
						}
					}
					if w.Close() == nil {
						t.Error("the message was ended on a connection that has ended")
					}
					if server.Write(ctx, websocket.Text, nil) == nil {
						t.Error("written to a connection that has ended")
					}
				})
			})
		}
	}
}

// A Unix socket takes a small write whole or not at all, so that the message that does not fit has not begun to leave.
func TestWriteInterruptedBeforeItsFirstByteHarmsNothing(t *testing.T) {
	server, p := link{over: overUnix}.rawClient(t)
	message := make([]byte, 2000)
	written := 0
	for {
		binary.BigEndian.PutUint32(message, uint32(written))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := server.Write(ctx, websocket.Binary, message)
		cancel()
		if err == nil {
			written++
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		break
	}
	if server.Err() != nil {
		t.Fatalf("the connection has ended: %v", server.Err())
	}
	sent := make(chan error)
	go func() { sent <- server.Write(soon(t), websocket.Text, []byte("afterwards")) }()
	for i := range written {
		binary.BigEndian.PutUint32(message, uint32(i))
		p.want(wire.Binary, string(message))
	}
	p.want(wire.Text, "afterwards")
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestWriteWithAContextThatHasEndedHarmsNothing(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, mode := range modes {
		for _, over := range []medium{overTCP, overTLS} {
			t.Run(name+", "+string(over), func(t *testing.T) {
				server, client := link{over: over}.compressed(mode).connect(t)
				for _, roles := range [][2]*websocket.Conn{{client, server}, {server, client}} {
					from, to := roles[0], roles[1]
					for _, n := range []int{10, 1000, 100_000} {
						message := []byte(lorem(n))
						wantError(t, from.Write(ended, websocket.Text, message), context.Canceled, "")
						wantError(t, from.WritePrepared(ended, websocket.Prepare(websocket.Text, message)), context.Canceled, "")
						w, _ := from.Writer(ended, websocket.Text)
						_, err := w.Write(message)
						if err == nil {
							err = w.Close()
						}
						wantError(t, err, context.Canceled, "")
					}
					from.Cork()
					if err := from.Write(t.Context(), websocket.Text, []byte("held back")); err != nil {
						t.Fatal(err)
					}
					wantError(t, from.Write(ended, websocket.Text, []byte(lorem(100_000))), context.Canceled, "")
					if err := from.Uncork(t.Context()); err != nil {
						t.Fatal(err)
					}
					wantMessage(t, to, websocket.Text, "held back")
				}
			})
		}
	}
}

func TestWriteInterruptedInTheMiddleDropsTheConnection(t *testing.T) {
	for _, over := range []medium{overTCP, overUnix, overTLS, overPipe} {
		t.Run(string(over), func(t *testing.T) {
			server, _ := link{over: over}.rawClient(t) // who does not read
			message := make([]byte, 16<<20)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := server.Write(ctx, websocket.Binary, message)
			wantError(t, err, context.DeadlineExceeded, "interrupted after ")
			<-server.Done()
			wantError(t, server.Err(), net.ErrClosed, "interrupted in the middle of a message")
			_, _, err = server.Read(t.Context())
			wantError(t, err, net.ErrClosed, "interrupted in the middle of a message")
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error("the reader is told of the writer's context")
			}
		})
	}
}

func TestWriterInterruptedInTheMiddleDropsTheConnection(t *testing.T) {
	server, p := link{}.rawClient(t)
	p.discard()
	ctx, cancel := context.WithCancel(t.Context())
	w, _ := server.Writer(ctx, websocket.Text)
	if _, err := io.WriteString(w, lorem(40_000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Close(); err == nil {
		t.Error("a message whose context has ended was completed")
	}
	<-server.Done()
	wantError(t, server.Err(), nil, "a message was left unfinished")
}

// Nobody may ever call an abandoned writer again; its context speaks for it.
func TestAnAbandonedWriterWhoseContextEndsFreesTheOthers(t *testing.T) {
	for name, mode := range modes {
		for how, ending := range endings {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := link{over: overPipe, offer: "permessage-deflate"}.compressed(mode)
					c, p := l.rawClient(t)
					p.discard()
					ctx, end := ending()
					w, _ := c.Writer(ctx, websocket.Text)
					if _, err := io.WriteString(w, lorem(100_000)); err != nil {
						t.Fatal(err)
					}
					written := make(chan error, 3)
					go func() { written <- c.Write(context.Background(), websocket.Text, []byte("x")) }()
					go func() {
						written <- c.WritePrepared(context.Background(), websocket.Prepare(websocket.Text, []byte("x")))
					}()
					go func() {
						w, _ := c.Writer(context.Background(), websocket.Text)
						written <- w.Close()
					}()
					result := readInBackground(context.Background(), c)
					synctest.Wait()
					if len(written) > 0 || c.Err() != nil {
						t.Fatalf("the others did not wait: %v, %v", <-written, c.Err())
					}
					end()
					for range cap(written) {
						wantError(t, <-written, net.ErrClosed, "left unfinished")
					}
					wantError(t, (<-result).err, nil, "left unfinished")
					wantError(t, c.Err(), nil, "left unfinished")
				})
			})
		}
	}
}

func TestAWritersContextMayEndWhenNothingIsUnderWay(t *testing.T) {
	for name, use := range map[string]func(w io.WriteCloser) error{
		"before the message has begun": func(io.WriteCloser) error { return nil },
		"while all of it is gathered":  func(w io.WriteCloser) error { _, err := io.WriteString(w, "a little"); return err },
		"behind a short message": func(w io.WriteCloser) error {
			io.WriteString(w, "a little")
			return w.Close()
		},
		"behind a long message": func(w io.WriteCloser) error {
			io.WriteString(w, lorem(100_000))
			return w.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := link{over: overPipe}.rawClient(t)
				p.discard()
				ctx, cancel := context.WithCancel(context.Background())
				w, _ := c.Writer(ctx, websocket.Text)
				if err := use(w); err != nil {
					t.Fatal(err)
				}
				cancel()
				synctest.Wait()
				if err := c.Write(context.Background(), websocket.Text, []byte("next")); err != nil || c.Err() != nil {
					t.Error(err, c.Err())
				}
			})
		})
	}
}

func TestWriteAfterTheEndIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(server, client *websocket.Conn)
		kind error
	}{
		"after CloseNow":         {func(s, _ *websocket.Conn) { s.CloseNow() }, net.ErrClosed},
		"after Close":            {func(s, c *websocket.Conn) { go c.Read(context.Background()); s.Close(1000, "") }, net.ErrClosed},
		"after the peer's close": {func(s, c *websocket.Conn) { go c.Close(4000, "because"); s.Read(context.Background()) }, net.ErrClosed},
		"after the peer's going": {func(s, c *websocket.Conn) { c.CloseNow(); s.Read(context.Background()) }, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			server, client := link{}.connect(t)
			test.end(server, client)
			ctx := soon(t)
			w, _ := server.Writer(ctx, websocket.Text)
			_, pingErr := server.Ping(ctx)
			for what, err := range map[string]error{
				"Write":         server.Write(ctx, websocket.Text, []byte("x")),
				"a large Write": server.Write(ctx, websocket.Text, make([]byte, 100_000)),
				"WritePrepared": server.WritePrepared(ctx, websocket.Prepare(websocket.Text, []byte("x"))),
				"Writer":        w.Close(),
				"Ping":          pingErr,
			} {
				if !errors.Is(err, test.kind) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

func TestWriteBetweenOurCloseAndThePeersIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, p := link{over: overPipe}.rawClient(t)
		closed := make(chan error, 1)
		go func() { closed <- server.Close(1000, "") }()
		p.wantClose(1000, "")
		synctest.Wait()
		wantError(t, server.Write(t.Context(), websocket.Text, nil), websocket.ErrClosing, "")
		_, err := server.Ping(t.Context())
		wantError(t, err, websocket.ErrClosing, "")
		p.send(p.closing(1000, ""))
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}
