// Clients that mean harm, each in its own way, again and again.

package flood

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

// torrent is the channel in which so much is published that who does not read must be cut.
const (
	torrent        = "torrent"
	torrentSize    = 48 << 10 // of a publication
	torrentLength  = 400      // publications: far more than the kernel's buffers and the outbox hold
	torrentVictims = 20       // who never reads them
)

// attacker is one hostile client.
type attacker struct {
	address string
	random  *rand.Rand
	number  int
}

const attackKinds = 10

// attacks are the ways to mean harm. Each is one attempt, which begins with a new connection.
var attacks = [attackKinds]func(*attacker, context.Context, *net.TCPConn){
	(*attacker).neverReads, (*attacker).dribbles, (*attacker).halfHandshake, (*attacker).garbage, (*attacker).oversized,
	(*attacker).storms, (*attacker).pings, (*attacker).forges, (*attacker).cuts, (*attacker).sips,
}

// attack is the life of a child process. It says ready when all have begun.
func attack(ctx context.Context, r role) {
	var all sync.WaitGroup
	for i := range r.Count {
		a := &attacker{r.Address, rand.New(rand.NewPCG(uint64(i), 1)), i}
		all.Go(func() { a.run(ctx) })
		if i%50 == 49 {
			pause(ctx, 10*time.Millisecond)
		}
	}
	say("ready")
	all.Wait()
}

// run attacks until ctx ends, with a moment between two attempts.
func (a *attacker) run(ctx context.Context) {
	for ctx.Err() == nil {
		c, err := net.Dial("tcp", a.address)
		if err == nil {
			stop := context.AfterFunc(ctx, func() { c.Close() })
			attacks[a.number%attackKinds](a, ctx, c.(*net.TCPConn))
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
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, a.address)
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
	path := "/channels/" + channel
	if a.number/attackKinds < torrentVictims {
		path = "/channels/" + torrent
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
		a.upgrade(c, "/channels/"+channel)
		c.Write(append([]byte{0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4}, megabyte...))
	case 1:
		fmt.Fprintf(c, "POST /channels/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1099511627776\r\n\r\n%s", channel, a.address, megabyte)
	case 2:
		fmt.Fprintf(c, "GET /channels/%s HTTP/1.1\r\nHost: %s\r\nX-Large: %s", channel, a.address, megabyte)
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

// storms subscribes and unsubscribes without end.
func (a *attacker) storms(ctx context.Context, c *net.TCPConn) {
	if _, open := a.upgrade(c, "/connect"); !open {
		return
	}
	go hold(c)
	for ctx.Err() == nil {
		var storm []byte
		for i := range 50 {
			name := []string{channel, fmt.Sprint("storm ", a.number, " ", i)}[i%2]
			storm = append(storm, frame(textFrame, fmt.Appendf(nil, `{"type":"subscribe","channel":%q}`, name))...)
			storm = append(storm, frame(textFrame, fmt.Appendf(nil, `[{"type":"unsubscribe","channel":%q,"id":%d},{"type":"unsubscribe"}]`, name, i))...)
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
	if _, open := a.upgrade(c, "/channels/"+channel); !open {
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
		fmt.Fprintf(c, "GET /channels/%s?after=%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
			channel, cursors[a.random.IntN(len(cursors))], a.address)
		hold(c)
		return
	}
	if _, open := a.upgrade(c, "/connect"); !open {
		return
	}
	go hold(c)
	for ctx.Err() == nil {
		cursor := cursors[a.random.IntN(len(cursors))]
		command := fmt.Appendf(nil, `[{"type":"subscribe","channel":%q,"cursor":%q},{"type":"unsubscribe","channel":%[1]q}]`, channel, cursor)
		if _, err := c.Write(frame(textFrame, command)); err != nil {
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// cuts subscribes and goes by RST.
func (a *attacker) cuts(ctx context.Context, c *net.TCPConn) {
	if a.random.IntN(2) == 0 {
		a.upgrade(c, "/channels/"+channel)
	} else {
		fmt.Fprintf(c, "GET /channels/%s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", channel, a.address)
	}
	pause(ctx, time.Duration(a.random.IntN(100))*time.Millisecond)
	c.SetLinger(0)
}

// sips reads a byte a second.
func (a *attacker) sips(ctx context.Context, c *net.TCPConn) {
	c.SetReadBuffer(4 << 10)
	if from, open := a.upgrade(c, "/channels/"+channel); open {
		for one := make([]byte, 1); ctx.Err() == nil; pause(ctx, time.Second) {
			if _, err := from.Read(one); err != nil {
				return
			}
		}
	}
}
