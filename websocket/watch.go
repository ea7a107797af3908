// The watch over a connection: keep-alive, messages that do not end, writes that do not move.

package websocket

import (
	"context"
	"fmt"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/turn"
	"github.com/ringdown/ringdown/websocket/wire"
)

// watch looks at a connection now and then, on one timer, and costs the reading and writing goroutines no look at the
// clock: they only count what they do, and the watch compares counts. What it watches for is therefore noticed up to one
// look late. One watch runs at a time; its fields are its own.
type watch struct {
	conn  *Conn
	timer *time.Timer
	every time.Duration // between looks, while nothing is suspected

	reads   uint64 // Conn.reading at the last look
	heardAt time.Time
	pinged  time.Time // when a ping went out that was not answered yet; zero if none is out

	message     uint64 // number, from 1, of the message that was unfinished at the last look; 0 if none was
	messageAt   time.Time
	messageSeen uint64 // Conn.reading at the last look
	writes      uint32 // line.Writes at the last look
	writesAt    time.Time
}

// startWatch starts the watch over c, or returns nil if nothing is to be watched.
func startWatch(c *Conn) *watch {
	every := time.Duration(0)
	for _, d := range []time.Duration{c.set.keepAlive.Interval, c.set.frame, c.set.write} {
		if d > 0 && (every == 0 || d < every) {
			every = d
		}
	}
	if every == 0 {
		return nil
	}
	now := time.Now()
	w := &watch{conn: c, every: max(every/2, time.Millisecond), heardAt: now, messageAt: now, writesAt: now}
	c.mu.Lock() // the first look may come before the timer is in its field
	defer c.mu.Unlock()
	w.timer = time.AfterFunc(w.every, w.look)
	return w
}

// stop ends the watch. The connection's lock is held.
func (w *watch) stop() {
	if w != nil {
		w.timer.Stop()
	}
}

// look is one look, on a goroutine of the timer's.
func (w *watch) look() {
	c, now := w.conn, time.Now()
	next := w.every
	for _, check := range []func(time.Time) (time.Duration, bool){w.checkWrites, w.checkMessage, w.checkSilence} {
		again, ended := check(now)
		if ended {
			return
		}
		if again > 0 {
			next = min(next, again)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		w.timer.Reset(max(next, time.Millisecond))
	}
}

// checkWrites drops a connection whose peer takes no bytes. Like its siblings it returns when to look again, if that is
// sooner than usual, and whether the connection has ended.
func (w *watch) checkWrites(now time.Time) (time.Duration, bool) {
	writes := w.conn.line.Writes()
	if writes != w.writes || writes&1 == 0 {
		w.writes, w.writesAt = writes, now
		return 0, false
	}
	limit := w.conn.set.write
	if limit == 0 {
		return 0, false
	}
	if stuck := now.Sub(w.writesAt); stuck < limit {
		return limit - stuck, false
	}
	w.conn.drop(ErrWriteTimeout)
	return 0, true
}

// checkMessage fails a connection whose peer does not finish what it has begun to send. The time runs while somebody reads.
func (w *watch) checkMessage(now time.Time) (time.Duration, bool) {
	at := w.conn.reading.Load()
	message := uint64(0)
	if at&readerMid != 0 {
		message = at>>readerMessages + 1
	}
	waits, idle := at&readerWaits != 0, at == w.messageSeen
	w.messageSeen = at
	if message != w.message || message == 0 || !waits && idle {
		w.message, w.messageAt = message, now
		return 0, false
	}
	if !waits { // it is just being read
		return 0, false
	}
	limit := w.conn.set.frame
	if limit == 0 {
		return 0, false
	}
	if slow := now.Sub(w.messageAt); slow < limit {
		return limit - slow, false
	}
	reason := fmt.Sprintf("message not complete after %v", limit)
	w.conn.fail(StatusPolicyViolation, reason, fmt.Errorf("websocket: %w", &ProtocolError{Code: StatusPolicyViolation, Reason: reason}))
	return 0, true
}

// checkSilence pings a peer from whom nothing has come, and drops the connection if nothing comes then either.
func (w *watch) checkSilence(now time.Time) (time.Duration, bool) {
	keep := w.conn.set.keepAlive
	at := w.conn.reading.Load()
	if at&^readerWaits != w.reads || at&readerWaits == 0 || keep.Interval == 0 { // nobody listening hears nothing
		w.reads, w.heardAt, w.pinged = at&^readerWaits, now, time.Time{}
		return 0, false
	}
	if w.pinged.IsZero() {
		if silence := now.Sub(w.heardAt); silence < keep.Interval {
			return keep.Interval - silence, false
		}
		if !w.ping() {
			return 0, false
		}
		w.pinged = now
		return keep.Timeout, false
	}
	if waited := now.Sub(w.pinged); waited < keep.Timeout {
		return keep.Timeout - waited, false
	}
	w.conn.drop(ErrKeepAlive)
	return 0, true
}

// ping sends a ping, unless somebody is writing: then that write is watched, and the next look tries again. It reports
// whether it could.
func (w *watch) ping() bool {
	if !w.conn.writeTurn.Try(turn.Inner) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.conn.set.keepAlive.Timeout)
	defer cancel()
	w.conn.writeControl(ctx, wire.Ping, nil) // its failure ends the connection, or else the silence will
	return true
}

// What Conn.reading holds: two flags, the number of waits, and the number of the message that is being received.
const (
	readerWaits    = 1 << 0 // the reader waits for the peer
	readerMid      = 1 << 1 // within a message
	readerNumber   = 2      // from this bit on, the waits
	readerMessages = 32     // from this bit on, the messages
)

// watchWait tells the watch that the reader begins to wait for the peer.
func (c *Conn) watchWait() {
	at := uint64(c.received)<<readerMessages | uint64(c.heard<<readerNumber) | readerWaits
	if !c.messages.Decoder.Idle() {
		at |= readerMid
	}
	c.reading.Store(at)
}

// watchRun tells the watch that the reader has stopped to wait.
func (c *Conn) watchRun() { c.reading.Store(c.reading.Load() &^ readerWaits) }
