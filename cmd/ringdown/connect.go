// ringdown connect: its flags, and the handshake they ask for.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/wire"
)

const (
	longestReceived = 16 << 20 // bytes of a received message
	longestSentence = 2 << 10  // bytes shown of what a server says when it refuses
)

// connectOptions are the flags of connect.
type connectOptions struct {
	handshakeOptions
	binary  bool
	ping    time.Duration
	wait    time.Duration
	verbose bool
}

func connectCommand() *cobra.Command {
	o := connectOptions{}
	cmd := &cobra.Command{
		Use:   "connect URL",
		Short: "Talk over a WebSocket from the terminal, or from a pipe",
		Long: `Open a WebSocket and talk: each line typed is sent as a message, each message received is shown.

A line that begins with a slash is for this program:

` + controlHelp + `
When the input is no terminal, its lines are sent one after the other; at its end connect waits
--wait for answers, closes with 1000 and exits with status 0. A /close in it waits for answers
first, too. When the output is no terminal, it receives the messages and nothing else, a line
each: text as it came, a binary message as the word "binary", its length and its bytes in
hexadecimal. All remarks go to the error output.

The exit status is 0 after a normal close (1000 or 1001, or one that you asked for), otherwise 1.`,
		Example: `  ringdown connect ws://127.0.0.1:8000/channels/lobby
  echo hello | ringdown connect ws://127.0.0.1:8000/channels/lobby
  ringdown connect wss://echo.example.com --header 'Authorization: Bearer …' --subprotocol chat`,
		Args: oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			console, err := newConsole(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer console.close()
			return connect(cmd.Context(), console, args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.binary, "binary", false, "send each line as a binary message")
	o.handshakeOptions.addTo(cmd)
	flags.DurationVar(&o.ping, "ping", 0, "`interval` at which to measure the round trip, as 30s; 0 means never")
	flags.DurationVar(&o.wait, "wait", time.Second, "`time` to wait for answers before a script hangs up")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "remark on the handshake and on each frame: when, opcode, bits, size (over TLS: on each message)")
	return cmd
}

// connect dials and talks until either side hangs up.
func connect(ctx context.Context, c *console, address string, o connectOptions) error {
	target, err := socketURL(address)
	if err != nil {
		return err
	}
	options, err := o.dialOptions()
	if err != nil {
		return err
	}
	if o.insecure {
		c.note(insecureWarning)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()

	t := &talk{console: c, kind: websocket.Text, wait: o.wait, ping: o.ping, started: time.Now()}
	if o.binary {
		t.kind = websocket.Binary
	}
	if o.verbose && strings.HasPrefix(target, "ws:") {
		options.DialContext = tapped(func(direction string, h wire.Header) { t.remark(direction, describe(h)) })
	} else {
		t.verbose = o.verbose
	}
	conn, response, err := websocket.Dial(ctx, target, options)
	if err != nil {
		return refusal(target, response, err)
	}
	defer conn.CloseNow()
	t.conn = conn
	introduce(c, target, conn, response, o.verbose)
	return t.run(ctx)
}

// dialOptions turns flags into options, and refuses those that make no sense.
func (o *connectOptions) dialOptions() (*websocket.DialOptions, error) {
	options, err := o.handshakeOptions.dialOptions()
	if err != nil {
		return nil, err
	}
	options.Limits = websocket.Limits{Message: longestReceived}
	if o.ping < 0 || o.wait < 0 {
		return nil, errors.New("--ping and --wait are times, as 30s; they cannot be negative")
	}
	return options, nil
}

// introduce says what the handshake agreed on.
func introduce(c *console, target string, conn *websocket.Conn, response *http.Response, verbose bool) {
	agreed := "no subprotocol"
	if name := conn.Subprotocol(); name != "" {
		agreed = "subprotocol " + name
	}
	if extensions := response.Header.Get("Sec-WebSocket-Extensions"); extensions != "" {
		agreed += ", " + extensions
	}
	c.note("connected to %s (%s)", target, agreed)
	if verbose {
		c.note("%s answered:\n%s", conn.RemoteAddr(), head(response))
	}
	if c.prompts {
		c.note("type a line to send it, /help for commands")
	}
}

func head(response *http.Response) string {
	var out strings.Builder
	out.WriteString(response.Status)
	fields := &strings.Builder{}
	response.Header.Write(fields)
	for field := range strings.Lines(fields.String()) {
		out.WriteString("\n" + strings.TrimRight(field, "\r\n"))
	}
	return out.String()
}

// refusal words a handshake that came to nothing: what the server answered, if it did.
func refusal(target string, response *http.Response, err error) error {
	failed, ok := errors.AsType[*websocket.HandshakeError](err)
	reason := err.Error()
	if ok {
		reason = failed.Reason
	}
	if response == nil {
		return fmt.Errorf("connecting to %s: %s", target, strings.TrimPrefix(reason, "websocket: "))
	}
	sentence, _ := io.ReadAll(io.LimitReader(response.Body, longestSentence))
	said := strings.TrimSpace(string(sentence))
	if said == "" || response.StatusCode == http.StatusSwitchingProtocols {
		said = reason
	}
	return fmt.Errorf("%s refused: %s: %s", target, response.Status, said)
}
