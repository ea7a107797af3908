// ringdown bench: its flags, and the three kinds of load.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/loadtest"
)

// benchKind is one kind of load.
type benchKind struct {
	name, short, long string
	connections       int // by default
	run               func(context.Context, loadtest.Options) (*loadtest.Result, error)
}

var benchKinds = []benchKind{
	{
		name: "idle", short: "Hold connections that say nothing, and see what they cost the server",
		long: `Open connections, let the server echo one message on each if it is an echo, and hold them for
--duration. With --pid it prints what a connection costs the server in memory; a server that was just
started gives the truest figure, because one that has worked before may have memory to spare.`,
		connections: 1000, run: loadtest.Idle,
	},
	{
		name: "echo", short: "Send messages to an echo server, and time the answers",
		long: `Send messages over all connections for --duration to a server that sends each back to its sender.
Each answer is compared with what was sent.`,
		connections: 100, run: loadtest.Echo,
	},
	{
		name: "fanout", short: "Publish to many subscribers, and time the deliveries",
		long: `Open subscribers and one connection that publishes, for --duration, to a server that sends what one
client says to all: a channel of ringdown serve --dev does. A message, in the table, is a delivery:
one publication at one subscriber. --rate and --in-flight count publications.

A channel of ringdown serve takes as many connections as its --max-connections says.`,
		connections: 1000, run: loadtest.Fanout,
	},
}

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Put load on a WebSocket server, and see how it bears it",
		Long: `Put load on any WebSocket server that you are allowed to: idle connections, echoes or fan-out.

The last table goes to standard output, progress to the error output. Ctrl-C ends the run early, with
the table so far; a second one ends it at once. The exit status is 1 when anything went wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, kind := range benchKinds {
		cmd.AddCommand(kind.command())
	}
	return cmd
}

func (k benchKind) command() *cobra.Command {
	var handshake handshakeOptions
	var load loadtest.Options
	cmd := &cobra.Command{
		Use:   k.name + " URL",
		Short: k.short,
		Long:  k.long,
		Args:  oneURL,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if load.URL, err = socketURL(args[0]); err != nil {
				return err
			}
			dial, err := handshake.dialOptions()
			if err != nil {
				return err
			}
			load.Dial = *dial
			if handshake.insecure {
				fmt.Fprintln(cmd.ErrOrStderr(), insecureWarning)
			}
			return k.bench(cmd.Context(), load, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVarP(&load.Connections, "connections", "c", k.connections, "how many to open, a `number`")
	flags.DurationVarP(&load.Duration, "duration", "d", 10*time.Second, "`time` to hold the connections, or to send messages")
	flags.IntVarP(&load.Size, "size", "s", 128, "`bytes` of a message")
	if k.name != "idle" {
		flags.Float64VarP(&load.Rate, "rate", "r", 0, "messages a second, a `number` for all connections together; 0 means as many as can be")
		flags.IntVar(&load.InFlight, "in-flight", 1, "messages of a connection that may be unanswered, or publications undelivered, a `number`")
	}
	flags.IntVar(&load.PID, "pid", 0, "`number` of the server's process on this machine, to measure its memory and processor time")
	flags.DurationVar(&load.Patience, "timeout", 10*time.Second, "`time` that a handshake or an answer may take")
	flags.IntVar(&load.DialsAtOnce, "dials", 64, "handshakes under way at a time, a `number`")
	handshake.addTo(cmd)
	return cmd
}

var errBenchFlaws = errors.New("not everything went well; the table has the errors")

// bench runs one load and prints what came of it.
func (k benchKind) bench(ctx context.Context, load loadtest.Options, out, notes io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from there on a signal has its usual effect: the end
	progress := newBenchProgress(notes)
	load.Progress = progress.show
	result, err := k.run(ctx, load)
	progress.end()
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted before there was anything to tell")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", load.URL, err)
	}
	printBench(out, k.name, load, result)
	if len(result.Errors) > 0 {
		return errBenchFlaws
	}
	return nil
}
