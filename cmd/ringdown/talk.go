// A talk over an open connection: lines out, messages in, until one side hangs up.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

const controlHelp = `  /ping                   measure the round trip
  /close [code] [reason]  close the connection, with 1000 unless told otherwise
  /help                   print this
  //text                  send "/text"
`

const pingTimeout = 10 * time.Second // for the answer to a ping

// errHungUp ends a talk because we closed it, and successfully.
var errHungUp = errors.New("hung up")

// talk is one conversation. Its run is the only one who sends messages; goroutines of its own receive and ping.
type talk struct {
	console *console
	conn    *websocket.Conn
	kind    websocket.MessageType // of what is sent
	wait    time.Duration         // for answers, after the last piped line
	ping    time.Duration         // between two pings of our own; 0 is none
	verbose bool                  // remark on each message; where there is a tap, it remarks on each frame instead
	started time.Time
	over    chan struct{} // closed when nothing more can be received
	cause   error         // set before over is closed
}

// run talks until the server closes, the input ends, /close or an interrupt. The error is nil if that was normal.
func (t *talk) run(ctx context.Context) error {
	t.over = make(chan struct{})
	go t.receive()
	if t.ping > 0 {
		pinging, stop := context.WithCancel(ctx)
		pinged := make(chan struct{})
		go func() { defer close(pinged); t.pingAlways(pinging) }()
		defer func() { stop(); <-pinged }()
	}
	err := t.send(ctx, t.lines())
	if errors.Is(err, errHungUp) {
		return nil
	}
	return err
}

// receive shows messages until the connection ends, which it does at the latest when connect returns.
func (t *talk) receive() {
	defer close(t.over)
	for {
		kind, payload, err := t.conn.Read(context.Background())
		if err != nil {
			t.cause = err
			return
		}
		t.remarkMessage("received", kind, len(payload))
		t.console.message(kind, payload)
	}
}

// input is a line, or what came instead of one.
type input struct {
	line string
	err  error
}

// lines reads the input in the background. A read of a terminal cannot be interrupted, so this goroutine may outlive the
// talk by one line: it ends with the program.
func (t *talk) lines() <-chan input {
	lines := make(chan input)
	go func() {
		for {
			line, err := t.console.readLine()
			select {
			case lines <- input{line, err}:
			case <-t.over:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

// send does what the lines say, until there is a reason to end.
func (t *talk) send(ctx context.Context, lines <-chan input) error {
	for {
		select {
		case <-t.over:
			return t.ended()
		case <-ctx.Done():
			return t.hangUp(websocket.StatusNormalClosure, "")
		case in := <-lines:
			if in.err == io.EOF {
				return t.finish(ctx, websocket.StatusNormalClosure, "")
			}
			if in.err != nil {
				return in.err
			}
			if err := t.obey(ctx, in.line); err != nil {
				return err
			}
		}
	}
}

// finish waits for the answers to a script, and hangs up. A person who ends the talk has seen the answers.
func (t *talk) finish(ctx context.Context, code websocket.StatusCode, reason string) error {
	if !t.console.prompts {
		select {
		case <-t.over:
			return t.ended()
		case <-ctx.Done():
		case <-time.After(t.wait):
		}
	}
	return t.hangUp(code, reason)
}

// obey sends a line, or does what a control line asks for.
func (t *talk) obey(ctx context.Context, line string) error {
	if text, ok := strings.CutPrefix(line, "//"); ok {
		return t.say(ctx, "/"+text)
	}
	if !strings.HasPrefix(line, "/") {
		return t.say(ctx, line)
	}
	command, rest, _ := strings.Cut(line, " ")
	switch command {
	case "/ping":
		return t.measure(ctx)
	case "/close":
		return t.close(ctx, rest)
	case "/help":
		t.console.note("commands:\n%s", strings.TrimSuffix(controlHelp, "\n"))
	default:
		t.console.note("%s is no command, and was not sent; /help lists them, //… sends a line that begins with a slash", command)
	}
	return nil
}

func (t *talk) say(ctx context.Context, text string) error {
	if t.kind == websocket.Text && !utf8.ValidString(text) {
		return fmt.Errorf("the line %+q is not UTF-8, which a text message must be; use --binary", cut(text, 40))
	}
	if err := t.conn.Write(ctx, t.kind, []byte(text)); err != nil {
		return t.failed(fmt.Errorf("sending: %w", err))
	}
	t.remarkMessage("sent", t.kind, len(text))
	return nil
}

func cut(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	return text[:bytes] + "…"
}

// measure does /ping.
func (t *talk) measure(ctx context.Context) error {
	err := t.pingOnce(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		t.console.note("no pong within %v", pingTimeout)
		return nil
	}
	if err != nil {
		return t.failed(fmt.Errorf("pinging: %w", err))
	}
	return nil
}

// pingOnce pings and remarks on how long the answer took.
func (t *talk) pingOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	took, err := t.conn.Ping(ctx)
	if err == nil {
		t.console.note("pong after %v", took.Round(time.Microsecond))
	}
	return err
}

// pingAlways does --ping until ctx ends or the connection does, which it cuts if a ping is not answered.
func (t *talk) pingAlways(ctx context.Context) {
	tick := time.NewTicker(t.ping)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.over:
			return
		case <-tick.C:
		}
		err := t.pingOnce(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			t.conn.CloseNow()
		}
		if err != nil {
			return // of other errors the receiver hears, too
		}
	}
}

// close does /close [code] [reason].
func (t *talk) close(ctx context.Context, arguments string) error {
	number, reason, _ := strings.Cut(strings.TrimSpace(arguments), " ")
	code := websocket.StatusNormalClosure
	if number != "" {
		n, err := strconv.Atoi(number)
		code = websocket.StatusCode(n)
		if err != nil || !code.Sendable() {
			t.console.note("%s is no code that can be sent; use 1000, or 4000 to 4999 for codes of your own", number)
			return nil
		}
	}
	return t.finish(ctx, code, strings.TrimSpace(reason))
}

// hangUp closes the connection, shows what still arrives, and says how it ended.
func (t *talk) hangUp(code websocket.StatusCode, reason string) error {
	err := t.conn.Close(code, reason)
	<-t.over
	if err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	t.console.note("closed with %s", withReason(code, wire.CutReason(reason)))
	if answer, said, ok := t.conn.PeerStatus(); ok {
		t.console.note("the server answered %s", withReason(answer, said))
	}
	return errHungUp
}

// failed prefers the server's own word on why the connection ended to the error that made us notice.
func (t *talk) failed(err error) error {
	select {
	case <-t.over:
		return t.ended()
	case <-time.After(t.wait):
		return err
	}
}

// ended tells how the other side ended it, and whether that was normal.
func (t *talk) ended() error {
	closing, ok := errors.AsType[*websocket.CloseError](t.cause)
	if errors.Is(t.cause, websocket.ErrClosed) { // by pingAlways
		return fmt.Errorf("the connection broke: no pong within %v", pingTimeout)
	}
	if !ok {
		return fmt.Errorf("the connection broke: %w", t.cause)
	}
	said := "closed by the server: " + withReason(closing.Code, closing.Reason)
	switch closing.Code {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatus:
		t.console.note("%s", said)
		return nil
	}
	return errors.New(said)
}

func withReason(code websocket.StatusCode, reason string) string {
	if reason == "" {
		return code.String()
	}
	return code.String() + ": " + reason
}

func (t *talk) remarkMessage(direction string, kind websocket.MessageType, size int) {
	if t.verbose {
		t.remark(direction, fmt.Sprintf("%s message, %d bytes", kind, size))
	}
}

func (t *talk) remark(direction, what string) {
	t.console.note("%9.3f s  %s %s", time.Since(t.started).Seconds(), direction, what)
}
