// ringdown publish: one publication, and its receipt.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/client"
)

// longestData is how much is read from the input, in bytes. A node takes less, unless it was told otherwise.
const longestData = 16 << 20

// publishOptions are the flags of publish.
type publishOptions struct {
	nodeOptions
	event, key, idempotencyKey string
	json, binary               bool
	timeout                    time.Duration
}

func publishCommand() *cobra.Command {
	o := publishOptions{}
	cmd := &cobra.Command{
		Use:   "publish CHANNEL [DATA|-]",
		Short: "Publish in a channel of a node",
		Long: `Publish one message in a channel. Without DATA, or with - in its place, the message is read from the
input; of text, a line feed at its end is then left out.

The message is text, unless --json or --binary says otherwise. It is published once: when the
connection breaks before the receipt comes, it is sent again under the same idempotency key. The
receipt is one line of JSON: where in the channel the message is, how many subscribers the node
has there, and how many of them lag.

The exit status is 0 if the message was published, otherwise 1.`,
		Example: `  ringdown publish news hello
  ringdown publish prices --json --event price --key AAPL '{"bid":231.5}'
  date | ringdown publish news
  ringdown publish news --url https://example.com -H 'Authorization: Bearer …' - <message.txt`,
		Args: oneChannelAndData,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := &console{out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), terminal: isTerminal(cmd.OutOrStdout())}
			return publish(cmd.Context(), c, cmd.InOrStdin(), args, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.event, "event", "", "`name` of what happened")
	flags.StringVar(&o.key, "key", "", "`key` of which this is the newest value, for channels that conflate")
	flags.BoolVar(&o.json, "json", false, "publish as JSON")
	flags.BoolVar(&o.binary, "binary", false, "publish as bytes")
	flags.StringVar(&o.idempotencyKey, "idempotency-key", "", "`key` under which this is published once, however often the command is run")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long to try")
	o.nodeOptions.addTo(cmd)
	return cmd
}

func oneChannelAndData(cmd *cobra.Command, args []string) error {
	if len(args) > 2 {
		return fmt.Errorf("publish takes a channel and one DATA, and was given %d words more; put the message into quotes", len(args)-2)
	}
	return someChannels(cmd, args)
}

// publish publishes, and prints the receipt.
func publish(ctx context.Context, c *console, in io.Reader, args []string, o publishOptions) error {
	p, err := o.publication(in, args)
	if err != nil {
		return err
	}
	n, err := o.node(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("gave up after %v (--timeout)", o.timeout))
	defer cancel()
	conn, err := client.Dial(ctx, n.at(nil, "connect").String(), client.Options{Dial: n.dialOptions()})
	if err != nil {
		return friendly(err)
	}
	defer conn.Close()
	r, err := conn.Publish(ctx, p)
	if err != nil {
		return friendly(err)
	}
	return json.NewEncoder(c.out).Encode(struct {
		Channel     string    `json:"channel"`
		Offset      uint64    `json:"offset"`
		Cursor      string    `json:"cursor"`
		Time        time.Time `json:"time"`
		Subscribers int       `json:"subscribers"`
		Lagging     int       `json:"lagging"`
		Duplicate   bool      `json:"duplicate,omitempty"`
	}{p.Channel, r.Offset, r.Cursor, r.Time, r.Subscribers, r.Lagging, r.Duplicate})
}

// publication is what the flags and arguments say.
func (o *publishOptions) publication(in io.Reader, args []string) (client.Publication, error) {
	p := client.Publication{Channel: args[0], Event: o.event, Key: o.key, IdempotencyKey: o.idempotencyKey}
	if o.json && o.binary {
		return p, errors.New("--json and --binary exclude each other; give one of them")
	}
	fromInput := len(args) < 2 || args[1] == "-"
	if fromInput && len(args) < 2 && isTerminal(in) {
		return p, errors.New("there is nothing to publish; give the message after the channel, or - to type it")
	}
	if fromInput {
		data, err := io.ReadAll(io.LimitReader(in, longestData+1))
		if err != nil {
			return p, fmt.Errorf("reading the input: %w", err)
		}
		if len(data) > longestData {
			return p, fmt.Errorf("the input has more than %d bytes; publish less at a time", longestData)
		}
		p.Data = data
	} else {
		p.Data = []byte(args[1])
	}
	switch {
	case o.binary:
		p.Kind = client.Binary
	case o.json:
		p.Kind = client.JSON
		if !json.Valid(p.Data) {
			return p, fmt.Errorf("the message %s is not one JSON value; correct it, or leave --json out", cut(fmt.Sprintf("%q", p.Data), 60))
		}
	default:
		if fromInput {
			p.Data = []byte(strings.TrimSuffix(strings.TrimSuffix(string(p.Data), "\n"), "\r"))
		}
		if !utf8.Valid(p.Data) {
			return p, fmt.Errorf("the message %s is not UTF-8, which text must be; use --binary", cut(fmt.Sprintf("%+q", p.Data), 60))
		}
	}
	return p, nil
}

// friendly leaves out what does not help at a command line.
func friendly(err error) error {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return errors.New(e.Error())
	}
	return errors.New(strings.ReplaceAll(strings.ReplaceAll(err.Error(), "client: ", ""), "websocket: ", ""))
}
