// ringdown subscribe: shows what is published in channels, and comes back when the connection breaks.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/websocket"
)

// subscribeOptions are the flags of subscribe.
type subscribeOptions struct {
	nodeOptions
	from      string
	transport string
	json      bool
	count     int
	presence  bool
}

// transports are the ways to listen. Each listens until ctx ends, or until it makes no sense to try any longer.
var transports = map[string]func(ctx context.Context, l *listening) error{
	"native":    listenNative,
	"websocket": listenSockets,
	"sse":       listenEvents,
	"poll":      listenPolls,
}

func subscribeCommand() *cobra.Command {
	o := subscribeOptions{}
	cmd := &cobra.Command{
		Use:   "subscribe CHANNEL…",
		Short: "Show what is published in channels of a node, over any transport",
		Long: `Listen to channels and print each message on a line: text and JSON as they were published, a binary
message as the word "binary", its length and its bytes in hexadecimal, and the channel before it
when there are several. On a terminal nothing is printed that a terminal would obey. With --json
each line is an object with all that is known of the message.

The transport native is a WebSocket and, where none passes anything, an event stream or polls.
When the connection breaks, subscribe comes back and goes on where it was. What was lost is told
on the error output, and at the end the cursor with which --from goes on. Over the transport
websocket messages have no cursor: what is published during a break is lost.

Interrupt it (Ctrl-C) to end; the exit status is then 0, as after --count messages.`,
		Example: `  ringdown subscribe news
  ringdown subscribe news weather --json
  ringdown subscribe news --from k3vq8w2m-7 --count 10
  ringdown subscribe news --transport sse --url https://example.com`,
		Args: someChannels,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := &console{out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), terminal: isTerminal(cmd.OutOrStdout())}
			return subscribe(cmd.Context(), c, args, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.from, "from", "", "`cursor` after which to begin; without one, subscribe begins with what comes next")
	flags.StringVar(&o.transport, "transport", "native", "`way` to listen: native, websocket, sse or poll")
	flags.BoolVar(&o.json, "json", false, "print each message as a JSON object")
	flags.IntVar(&o.count, "count", 0, "end after this `number` of messages; 0 means never")
	flags.BoolVar(&o.presence, "presence", false, "remark on who comes and goes (native only)")
	o.nodeOptions.addTo(cmd)
	return cmd
}

func subscribe(ctx context.Context, c *console, channels []string, o subscribeOptions) error {
	listen := transports[o.transport]
	switch {
	case listen == nil:
		return fmt.Errorf("--transport %q is not known; use native, websocket, sse or poll", o.transport)
	case o.count < 0:
		return errors.New("--count is a number of messages; it cannot be negative")
	case o.presence && o.transport != "native":
		return fmt.Errorf("--presence needs the transport native, not %s", o.transport)
	}
	n, err := o.node(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	l := &listening{console: c, node: n, channels: channels, options: o, cursor: o.from}
	ctx, l.enough = context.WithCancel(ctx)
	defer l.enough()
	err = listen(ctx, l)
	l.summary()
	if l.failed != nil {
		return l.failed
	}
	if err != nil && ctx.Err() == nil {
		return friendly(err)
	}
	return nil
}

// listening is what the transports share.
type listening struct {
	console  *console
	node     *node
	channels []string
	options  subscribeOptions
	enough   context.CancelFunc

	mu     sync.Mutex // guards what follows
	shown  int
	over   bool
	cursor string // where to go on; "" if the transport does not tell
	failed error  // of the output
}

// show prints a message, and notes where to go on after it. It reports false when nothing more is wanted.
func (l *listening) show(m *client.Message, cursor string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	if l.failed = l.print(m); l.failed == nil {
		l.shown++
		l.cursor = cursor
	}
	if l.over = l.failed != nil || l.shown == l.options.count; l.over {
		l.enough()
	}
	return !l.over
}

// at notes where to go on.
func (l *listening) at(cursor string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.cursor = cursor
	}
}

func (l *listening) print(m *client.Message) error {
	if l.options.json {
		object, err := json.Marshal(m)
		if err == nil {
			_, err = l.console.out.Write(append(object, '\n'))
		}
		return err
	}
	kind := websocket.Text
	if m.Kind == client.Binary {
		kind = websocket.Binary
	}
	if len(l.channels) > 1 {
		name := m.Channel + ": "
		if l.console.terminal {
			name = printable(name)
		}
		if _, err := io.WriteString(l.console.out, name); err != nil {
			return err
		}
	}
	return l.console.message(kind, m.Data)
}

// gap remarks on what was lost.
func (l *listening) gap(g *client.Gap) {
	switch {
	case g.Unrecovered:
		l.console.note("%s: could not go on where it was; something may be missing", g.Channel)
	case g.From == 0:
		l.console.note("%s: messages are missing up to offset %d", g.Channel, g.To)
	case g.From == g.To:
		l.console.note("%s: the message at offset %d is missing", g.Channel, g.To)
	default:
		l.console.note("%s: %d messages are missing, offsets %d to %d", g.Channel, g.To-g.From+1, g.From, g.To)
	}
}

func (l *listening) connected() {
	l.console.note("listening to %s", strings.Join(l.channels, ", "))
}

// summary says how to go on later.
func (l *listening) summary() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cursor != "" {
		l.console.note("to go on here: --from %s", l.cursor)
	}
}

// always tries again and again, as long as it makes sense. try tells whether it has been connected.
func (l *listening) always(ctx context.Context, try func() error) error {
	var backoff client.Backoff
	for {
		began := time.Now()
		err := try()
		if ctx.Err() != nil || err != nil && !worthwhile(err) {
			return err
		}
		backoff.Opened(time.Since(began))
		wait := backoff.Next(comeBack(err))
		l.console.note("%v; trying again in %v", friendly(orEnd(err)), wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

var errEnd = errors.New("the connection has ended")

func orEnd(err error) error {
	if err == nil {
		return errEnd
	}
	return err
}

// worthwhile tells whether it makes sense to try again after an error.
func worthwhile(err error) bool {
	if e, ok := errors.AsType[*client.RefusedError](err); ok {
		return e.Temporary()
	}
	switch websocket.CloseStatus(err) {
	case websocket.StatusPolicyViolation, websocket.StatusInvalidPayload:
		return false
	}
	return true
}

func comeBack(err error) time.Duration {
	if e, ok := errors.AsType[*client.RefusedError](err); ok {
		return e.RetryAfter
	}
	return 0
}
