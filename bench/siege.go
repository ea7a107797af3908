//go:build linux

package main

// This file: `bench siege`, which measures what clients notice while others attack the node, and `bench hostile`, those others.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ringdown/ringdown/bench/measure"
	"github.com/ringdown/ringdown/bench/report"
	"github.com/ringdown/ringdown/bench/rooms"
	"github.com/ringdown/ringdown/test/flood/hostile"
)

func siege(args []string) error {
	flags := flag.NewFlagSet("bench siege", flag.ContinueOnError)
	o := rooms.SiegeOptions{}
	flags.IntVar(&o.Clients, "clients", 9000, "how `many` behave")
	flags.IntVar(&o.Hostile, "hostile", 1000, "how `many` attack")
	attacks := flags.String("attacks", "all", "beside calm windows, comma-separated: all at once, each of ten, or a `kind` from 0")
	flags.IntVar(&o.Rounds, "rounds", 12, "calm and besieged windows in turn, so `many` of each")
	flags.DurationVar(&o.Window, "window", 4*time.Second, "how long publications are counted")
	flags.BoolVar(&o.Pin, "pin", measure.CanPin(), "give the node the first processor and everybody else the second")
	flags.StringVar(&o.Profile, "perf", "", "`file` for what perf sees of the node in the last besieged window")
	program := flags.String("program", "", "a ringdown that is not to be built")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if o.Attacks, err = attacksOf(*attacks); err != nil {
		return err
	}
	if o.Pin {
		if err := measure.PinClient(); err != nil {
			return fmt.Errorf("pinning the client (-pin=false does without): %w", err)
		}
	}
	debug.SetGCPercent(-1)
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
	windows, err := rooms.TakeSiege(interrupted, shop, o, func(w rooms.SiegeWindow) {
		fmt.Fprintf(os.Stderr, "%4.0fs  round %d  %-30s p50 %v  p99 %v  max %v  %v/delivery  busy %.2f, attackers %.2f, elsewhere %.2f\n",
			time.Since(began).Seconds(), w.Round+1, report.SiegeName(w, o), w.P50.Round(time.Microsecond), w.P99.Round(time.Microsecond),
			w.Max.Round(time.Microsecond), w.CPU, w.Busy, w.Attackers, w.Elsewhere)
	})
	if len(windows) > 0 {
		report.Siege(os.Stdout, windows, o, machine(settings{measure: measure.Options{Pin: o.Pin}}, o.Window, windows[len(windows)-1].Round+1, err == nil))
	}
	return err
}

// attacksOf reads -attacks.
func attacksOf(text string) ([]int, error) {
	all := []int{rooms.NoAttack}
	for one := range strings.SplitSeq(text, ",") {
		switch kind, err := strconv.Atoi(one); {
		case one == "all":
			all = append(all, rooms.AllKinds)
		case one == "each":
			for kind := range hostile.Kinds {
				all = append(all, kind)
			}
		case err != nil || kind < 0 || kind >= hostile.Kinds:
			return nil, fmt.Errorf("-attacks has %q; write all, each, or a number below %d", one, hostile.Kinds)
		default:
			all = append(all, kind)
		}
	}
	return all, nil
}

// attack is those who attack: an address, how many, and the kind of attack.
func attack(args []string) error {
	if len(args) != 3 {
		return errors.New("hostile takes an address, a count and a kind of attack")
	}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	kind, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	return rooms.Attack(os.Stdin, args[0], count, kind)
}
