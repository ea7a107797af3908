// ringdown serve: runs a node until it is told to stop.

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/server"
)

// stopWithin is how long a node that was told to stop may take to say goodbye to its clients.
const stopWithin = 10 * time.Second

func serveCommand() *cobra.Command {
	config := server.Config{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node: channels for every web client, and a chat page to try them",
		Long: `Run a node. It serves a chat page at / and channels at /channels/{channel}: what one client of
a channel publishes, every client of it receives, over WebSocket, Server-Sent Events or polling.
At /connect clients have many channels over one WebSocket, by the protocol of docs/protocol.md.

Safe by default: a node listens on this machine only unless --listen says otherwise, and a
browser page may connect only if it comes from the node itself or from an --origin.

Publishing needs authentication, which this version does not have yet. So clients may listen
to a channel but not publish: that is refused with status 403, or close code 1008. With --dev
anybody may publish; therefore a node in dev mode listens on loopback only.

SIGINT or SIGTERM stops the node: every client is told (close code 1012), within 10 seconds.
A second signal stops it at once.`,
		Example: `  ringdown serve --dev
  curl -N -H 'Accept: text/event-stream' localhost:8000/channels/news
  curl -d hello localhost:8000/channels/news
  ringdown serve --listen :8080 --origin https://app.example.com --origin '*.example.org'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkBounds(config); err != nil {
				return err
			}
			config.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return serve(cmd.Context(), config)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&config.Dev, "dev", false, "let anybody publish; loopback only")
	flags.StringVar(&config.Listen, "listen", server.DefaultListen, "`address` to listen on, host:port")
	flags.StringArrayVar(&config.Origins, "origin", nil,
		"`origin` whose pages may connect, as https://app.example.com or *.example.com; repeatable")
	flags.Int64Var(&config.MaxMessage, "max-message", channelhttp.DefaultMaxMessage, "longest message from a client, in `bytes`")
	flags.IntVar(&config.MaxConnections, "max-connections", server.DefaultMaxConnections,
		"most clients at once, a `number`; fewer where the limit on open files is lower")
	return cmd
}

// checkBounds refuses zero, which the configuration takes for "not said".
func checkBounds(config server.Config) error {
	switch {
	case config.MaxMessage == 0:
		return errors.New("--max-message is 0, and clients could say nothing; give it a positive number of bytes")
	case config.MaxConnections == 0:
		return errors.New("--max-connections is 0, and nobody could connect; give it a positive number")
	}
	return nil
}

// serve runs a node until ctx ends or a signal comes.
func serve(ctx context.Context, config server.Config) error {
	node, err := server.New(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()

	select {
	case err := <-serving:
		return err
	case <-ctx.Done():
	}
	stop() // from here on a signal has its usual effect: the end
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := node.Shutdown(ctx); err != nil {
		return err
	}
	return <-serving
}
