//go:build linux

package main

// This file: `bench nodes`, a hundred thousand connections on one machine, and `bench listeners`, those who hear at one node.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/ringdown/ringdown/bench/measure"
	"github.com/ringdown/ringdown/bench/report"
	"github.com/ringdown/ringdown/bench/rooms"
)

func manyNodes(args []string) error {
	flags := flag.NewFlagSet("bench nodes", flag.ContinueOnError)
	o := rooms.NodesOptions{}
	flags.IntVar(&o.Nodes, "nodes", 6, "how `many` nodes")
	flags.IntVar(&o.Connections, "connections", 100_000, "how `many` subscribers, over all nodes; the open files of a process are the bound for each")
	flags.IntVar(&o.Publications, "publications", 10, "how `many` are measured")
	flags.StringVar(&o.Broker, "broker", "redis", "what the nodes ride on: redis or nats")
	flags.DurationVar(&o.Settle, "settle", 15*time.Second, "how long to wait until memory is read, and then to watch what idle connections cost")
	flags.BoolVar(&o.Pin, "pin", measure.CanPin(), "give nodes and broker the first processor and the clients the second")
	program := flags.String("program", "", "a ringdown that is not to be built")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.Nodes < 1 || o.Connections < o.Nodes || o.Publications < 1 || o.Settle <= 0 {
		return errors.New("-nodes, -publications and -settle have to be positive, and -connections at least as many as nodes")
	}
	if o.Pin {
		if err := measure.PinClient(); err != nil {
			return fmt.Errorf("pinning the clients (-pin=false does without): %w", err)
		}
	}
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	given := map[string]string{}
	if *program != "" {
		given["ringdown"] = *program
	}
	shop, err := rooms.NewShop(given)
	if err != nil {
		return err
	}
	began := time.Now()
	run, err := rooms.TakeNodes(interrupted, shop, o, func(said string) {
		fmt.Fprintf(os.Stderr, "%4.0fs  %s\n", time.Since(began).Seconds(), said)
	})
	if err != nil {
		return err
	}
	placed := "not pinned"
	if o.Pin {
		placed = "nodes and broker on one processor, clients on another"
	}
	report.Nodes(os.Stdout, run, machineName()+"; "+placed)
	return nil
}

// listen is the subscribers of one node: its address, and how many.
func listen(args []string) error {
	if len(args) != 2 {
		return errors.New("listeners takes an address and a count")
	}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	debug.SetGCPercent(-1) // it allocates next to nothing
	return rooms.Listen(os.Stdin, os.Stdout, args[0], count)
}
