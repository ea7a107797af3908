// Package hostile is clients that mean harm, each in one of ten ways, again and again: they never read, send a byte a second, leave
// handshakes half open, send garbage, far too much, or the same commands without end, flood with pings, forge cursors, go by RST, and
// read a byte a second. For the flood's test and for the benchmark of the same.
package hostile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Torrent is the channel for those who never read: enough published there must cut them.
const Torrent = "torrent"

// Kinds is how many ways to mean harm there are. Client n of a crowd has way n modulo Kinds.
const Kinds = 10

// Options say whom to attack, and how many do.
type Options struct {
	Address string // of the node
	Channel string // in which those who behave are
	Count   int    // clients
	Kind    int    // the only way that all have; negative: each its own
	Victims int    // how many of those who never read are in Torrent instead
	// Header, if not nil, returns header lines, each ended by CRLF, for the requests of a client: what a proxy would add.
	Header func(client int) string
	// Begun, if not nil, is called when all have begun.
	Begun func()
}

// Attack attacks until ctx ends and everybody has stopped.
func Attack(ctx context.Context, o Options) {
	var all sync.WaitGroup
	for i := range o.Count {
		a := &attacker{Options: o, random: rand.New(rand.NewPCG(uint64(i), 1)), number: i}
		if o.Header != nil {
			a.header = o.Header(i)
		}
		all.Go(func() { a.run(ctx) })
		if i%50 == 49 {
			pause(ctx, 10*time.Millisecond)
		}
	}
	if o.Begun != nil {
		o.Begun()
	}
	all.Wait()
}

// attacker is one hostile client.
type attacker struct {
	Options
	header string
	random *rand.Rand
	number int
}

// attacks are the ways to mean harm. Each is one attempt, which begins with a new connection.
var attacks = [Kinds]func(*attacker, context.Context, *net.TCPConn){
	(*attacker).neverReads, (*attacker).dribbles, (*attacker).halfHandshake, (*attacker).garbage, (*attacker).oversized,
	(*attacker).storms, (*attacker).pings, (*attacker).forges, (*attacker).cuts, (*attacker).sips,
}

// Names say what each kind does, as the rest of a sentence about several clients.
var Names = [Kinds]string{
	"never read", "send a byte a second", "leave handshakes half open", "send garbage", "send far too much",
	"send commands without end", "flood with pings", "forge cursors", "go by RST", "read a byte a second",
}

// run attacks until ctx ends, with a moment between two attempts.
func (a *attacker) run(ctx context.Context) {
	kind := a.number % Kinds
	if a.Kind >= 0 {
		kind = a.Kind
	}
	for ctx.Err() == nil {
		c, err := net.Dial("tcp", a.Address)
		if err == nil {
			stop := context.AfterFunc(ctx, func() { c.Close() })
			attacks[kind](a, ctx, c.(*net.TCPConn))
			c.Close()
			stop()
		}
		pause(ctx, time.Duration(200+a.random.IntN(400))*time.Millisecond)
	}
}

// hold keeps the connection without a word until the other side ends it, or ctx does.
func hold(c net.Conn) { io.Copy(io.Discard, c) }

// upgrade opens a WebSocket by hand.
func (a *attacker) upgrade(c net.Conn, path string) (*bufio.Reader, bool) {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, a.Address, a.header)
	from := bufio.NewReader(c)
	response, err := http.ReadResponse(from, nil)
	return from, err == nil && response.StatusCode == http.StatusSwitchingProtocols
}

// frame is a masked frame; the mask is zero.
func frame(opcode byte, payload []byte) []byte {
	b := []byte{0x80 | opcode, 0x80 | 126, 0, 0, 0, 0, 0, 0}
	if len(payload) < 126 {
		b = []byte{0x80 | opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}
	} else {
		binary.BigEndian.PutUint16(b[2:], uint16(len(payload)))
	}
	return append(b, payload...)
}

const (
	textFrame = 1
	pingFrame = 9
)

// neverReads subscribes, and leaves everything in the socket, even that it was cut.
func (a *attacker) neverReads(ctx context.Context, c *net.TCPConn) {
	path := "/channels/" + a.Channel
	if a.number/Kinds < a.Victims {
		path = "/channels/" + Torrent
	}
	c.SetReadBuffer(4 << 10)
	if _, open := a.upgrade(c, path); open {
		<-ctx.Done()
	}
}

// dribbles sends a request a byte at a time.
func (a *attacker) dribbles(ctx context.Context, c *net.TCPConn) {
	for _, b := range []byte("GET /channels/news HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + strings.Repeat("z", 1000)) {
		if _, err := c.Write([]byte{b}); err != nil || ctx.Err() != nil {
			return
		}
		pause(ctx, time.Second)
	}
}

// halfHandshake stops in the middle of a request, or sends nothing at all.
func (a *attacker) halfHandshake(_ context.Context, c *net.TCPConn) {
	if a.random.IntN(2) == 0 {
		io.WriteString(c, "GET /connect HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: webso")
	}
	hold(c)
}

// garbage sends noise instead of a request, or of frames.
func (a *attacker) garbage(_ context.Context, c *net.TCPConn) {
	noise := make([]byte, 2000)
	for i := range noise {
		noise[i] = byte(a.random.Uint32())
	}
	switch a.random.IntN(3) {
	case 0: // by chance it may be a frame that is in order, and published
		a.upgrade(c, "/channels/noise")
	case 1:
		if _, open := a.upgrade(c, "/connect"); open {
			noise = frame(textFrame, noise)
		}
	}
	c.Write(noise)
	c.SetReadDeadline(time.Now().Add(time.Second))
	hold(c)
}

// oversized promises or sends more than is taken.
func (a *attacker) oversized(_ context.Context, c *net.TCPConn) {
	megabyte := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	switch a.random.IntN(4) {
	case 0: // a frame of a terabyte
		a.upgrade(c, "/channels/"+a.Channel)
		c.Write(append([]byte{0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4}, megabyte...))
	case 1:
		fmt.Fprintf(c, "POST /channels/%s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 1099511627776\r\n\r\n%s", a.Channel, a.Address, a.header, megabyte)
	case 2:
		fmt.Fprintf(c, "GET /channels/%s HTTP/1.1\r\nHost: %s\r\n%sX-Large: %s", a.Channel, a.Address, a.header, megabyte)
	case 3: // a message that never ends
		a.upgrade(c, "/connect")
		part := frame(textFrame, bytes.Repeat([]byte("["), 60_000))
		part[0] &^= 0x80
		c.Write(part)
		part[0] = 0
		for range 100 {
			if _, err := c.Write(part); err != nil {
				break
			}
		}
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	hold(c)
}

// storms subscribes, publishes and unsubscribes without end.
func (a *attacker) storms(ctx context.Context, c *net.TCPConn) {
	if _, open := a.upgrade(c, "/connect"); !open {
		return
	}
	go hold(c)
	for ctx.Err() == nil {
		var storm []byte
		for i := range 50 {
			name := []string{a.Channel, fmt.Sprint("storm ", a.number, " ", i)}[i%2]
			storm = append(storm, frame(textFrame, fmt.Appendf(nil, `{"type":"subscribe","channel":%q}`, name))...)
			storm = append(storm, frame(textFrame, fmt.Appendf(nil, `[{"type":"publish","channel":"storm %d","data":%d},{"type":"unsubscribe","channel":%q,"id":%[2]d},{"type":"unsubscribe"}]`, a.number, i, name))...)
		}
		if _, err := c.Write(storm); err != nil {
			return
		}
		pause(ctx, 300*time.Millisecond)
	}
}

// pings sends pings and reads no pong.
func (a *attacker) pings(ctx context.Context, c *net.TCPConn) {
	c.SetReadBuffer(4 << 10)
	if _, open := a.upgrade(c, "/channels/"+a.Channel); !open {
		return
	}
	flood := bytes.Repeat(frame(pingFrame, bytes.Repeat([]byte("p"), 125)), 200)
	for ctx.Err() == nil {
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(flood); err != nil {
			return
		}
		pause(ctx, 300*time.Millisecond)
	}
}

// forges hands in cursors that were never given.
func (a *attacker) forges(ctx context.Context, c *net.TCPConn) {
	cursors := []string{"aaaaaaaa-1", "aaaaaaaa-9223372036854775807", "x", "-", "aaaaaaaa-01", strings.Repeat("aaaaaaaa-1.", 700) + "aaaaaaaa-1",
		strings.Repeat("z", 20_000), "%00", "aaaaaaaa--1"}
	if a.random.IntN(2) == 0 {
		fmt.Fprintf(c, "GET /channels/%s?after=%s HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n",
			a.Channel, cursors[a.random.IntN(len(cursors))], a.Address, a.header)
		hold(c)
		return
	}
	if _, open := a.upgrade(c, "/connect"); !open {
		return
	}
	go hold(c)
	for ctx.Err() == nil {
		cursor := cursors[a.random.IntN(len(cursors))]
		command := fmt.Appendf(nil, `[{"type":"subscribe","channel":%q,"cursor":%q},{"type":"unsubscribe","channel":%[1]q}]`, a.Channel, cursor)
		if _, err := c.Write(frame(textFrame, command)); err != nil {
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// cuts subscribes and goes by RST.
func (a *attacker) cuts(ctx context.Context, c *net.TCPConn) {
	if a.random.IntN(2) == 0 {
		a.upgrade(c, "/channels/"+a.Channel)
	} else {
		fmt.Fprintf(c, "GET /channels/%s HTTP/1.1\r\nHost: %s\r\n%sAccept: text/event-stream\r\n\r\n", a.Channel, a.Address, a.header)
	}
	pause(ctx, time.Duration(a.random.IntN(100))*time.Millisecond)
	c.SetLinger(0)
}

// sips reads a byte a second.
func (a *attacker) sips(ctx context.Context, c *net.TCPConn) {
	c.SetReadBuffer(4 << 10)
	if from, open := a.upgrade(c, "/channels/"+a.Channel); open {
		for one := make([]byte, 1); ctx.Err() == nil; pause(ctx, time.Second) {
			if _, err := from.Read(one); err != nil {
				return
			}
		}
	}
}

// pause waits, but not beyond the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
