// Finding out what a server does with a message, before thousands are sent.

package loadtest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

const probeWait = 200 * time.Millisecond // for a message that should not come

// manner is what a server does with a message, as far as two clients can see.
type manner int

const (
	silent  manner = iota // nothing came back
	echoing               // it came back to its sender only
	sharing               // it came back to others too
)

// probe finds out the server's manner with two connections, which leave again. A load test of the wrong kind would at
// best measure nothing: every client's word to every client is a flood.
func (r *run) probe(ctx context.Context, wait time.Duration) (manner, error) {
	second, err := r.dial(ctx)
	if err != nil {
		return silent, err
	}
	defer second.CloseNow()
	first, err := r.dial(ctx)
	if err != nil {
		return silent, err
	}
	defer first.CloseNow()
	said := text(r.o.Size)
	// In this order, because a server may take its time to let a connection hear others: who has heard itself is ready.
	for _, c := range []*websocket.Conn{first, second} {
		if err := c.Write(ctx, websocket.Text, said); err != nil {
			return silent, err
		}
		if !hears(ctx, c, said, wait) {
			return silent, ctx.Err()
		}
	}
	if hears(ctx, first, said, probeWait) {
		return sharing, nil
	}
	return echoing, nil
}

// hears reports whether a message comes within a time.
func hears(ctx context.Context, c *websocket.Conn, want []byte, wait time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		_, got, err := c.Read(ctx)
		if err != nil {
			return false
		}
		if bytes.Equal(got, want) {
			return true
		}
	}
}

// text is what messages say: letters and spaces, the same for all messages of a size.
func text(size int) []byte {
	random := rand.New(rand.NewPCG(uint64(size), 1))
	t := make([]byte, size)
	for i := range t {
		t[i] = "abcdefghijklmnopqrstuvwxyz "[random.IntN(27)]
	}
	return t
}
