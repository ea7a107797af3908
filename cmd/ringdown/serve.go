// ringdown serve: runs a node until it is told to stop.

package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node: channels for every web client, and pages to try them",
		Long: `Run a node. It serves pages to try at / and channels at /channels/{channel}: what one client of
a channel publishes, every client of it receives, over WebSocket, Server-Sent Events or polling.
At /connect clients have many channels over one WebSocket, by the protocol of docs/protocol.md.

Safe by default: a node listens on this machine only unless --listen says otherwise, and a
browser page may connect only if it comes from the node itself or from an --origin.

Clients may listen to a channel but not publish, unless a rule of the configuration lets them:
that is refused with status 403, or close code 1008. With --dev anybody may publish; therefore
a node in dev mode listens on loopback only.

Everything else can be said in a YAML file (--config), in the environment (RINGDOWN_…) or with
--set; later sources win. "ringdown config" shows what there is, and what holds.

SIGHUP reads the configuration again, takes what a running node can take, and says in the log
what takes a restart. SIGINT or SIGTERM stops the node: every client is told (close code 1012)
and when to come back, spread over drain.window, which is 10 seconds, or less if they are few,
after drain.ready_delay, which is none. A second signal stops it at once.`,
		Example: `  ringdown serve --dev
  curl -N -H 'Accept: text/event-stream' localhost:8000/channels/news
  curl -d hello localhost:8000/channels/news
  ringdown serve --listen :8080 --origin https://app.example.com --origin '*.example.org'
  ringdown serve --config /etc/ringdown.yaml --set log.level=debug`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), config.Sources{Environ: os.Environ(), Flags: cmd.Flags()}, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().SortFlags = false
	config.AddFlags(cmd.Flags())
	return cmd
}

// serve runs a node until ctx ends or a signal comes.
func serve(ctx context.Context, sources config.Sources, errs io.Writer) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	loaded, err := config.Load(sources)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	log := newLog(loaded.Config.Log.Format, errs, level)
	warn(log, loaded)
	var current atomic.Pointer[config.Loaded]
	current.Store(loaded)
	source := func(key string) string { return current.Load().Source(key) }
	node, err := server.New(loaded.Config, server.Options{
		Log: log, Level: level, Version: release(), Source: source, Clients: compareClients,
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()

	for running := true; running; {
		select {
		case err := <-serving:
			return err
		case <-hangup:
			if loaded := reload(node, sources, log); loaded != nil {
				current.Store(loaded)
			}
		case <-node.DrainAsked():
			log.Info("stopping, as was asked on the console")
			running = false
		case <-ctx.Done():
			running = false
		}
	}
	stop() // from here on a signal has its usual effect: the end
	ctx, cancel := context.WithTimeout(context.Background(), node.Config().Drain.Deadline())
	defer cancel()
	if err := node.Shutdown(ctx); err != nil {
		return err
	}
	return <-serving
}

func newLog(format string, to io.Writer, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}

// warn tells what is allowed but unwise.
func warn(log *slog.Logger, loaded *config.Loaded) {
	for _, warning := range loaded.Warnings {
		log.Warn(warning)
	}
}

// reload reads the configuration again, and returns it. One with mistakes changes nothing, and is nil.
func reload(node *server.Server, sources config.Sources, log *slog.Logger) *config.Loaded {
	loaded, err := config.Load(sources)
	var changes []config.Change
	if err == nil {
		changes, err = node.Reload(loaded.Config)
	}
	if err != nil {
		log.Error("the configuration was not reloaded, and the one before still holds", "error", err)
		return nil
	}
	warn(log, loaded)
	later := 0
	for _, c := range changes {
		change := []any{"key", c.Key, "from", c.Old, "to", c.New, "source", loaded.Source(c.Key)}
		if c.Live {
			log.Info("changed", change...)
		} else {
			later++
			log.Warn("this change takes a restart", change...)
		}
	}
	log.Info("configuration reloaded", "file", loaded.File, "changed", len(changes)-later, "need_restart", later)
	return loaded
}
