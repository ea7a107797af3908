//go:build linux

package main

// This file: the points that compare whole servers. They share the command line with those of the libraries and come after
// them, with a limit of their own.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/ringdown/ringdown/bench/report"
	"github.com/ringdown/ringdown/bench/rooms"
	"github.com/ringdown/ringdown/bench/servers"
)

// serveRoom is one of the servers of these points that are no products, in a process of its own.
func serveRoom(args []string) error {
	if len(args) != 1 {
		return errors.New("room takes the name of a server: floor, gorilla-hub or socketio")
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening on", ln.Addr())
	switch args[0] {
	case "floor":
		return servers.Relay(ln, rooms.PayloadSize)
	case "gorilla-hub":
		return servers.Hub(ln)
	case "socketio":
		return servers.SocketIO(ln)
	default:
		return fmt.Errorf("no room is called %q", args[0])
	}
}

// chosenRooms are the points that are chosen, first those of servers by themselves and then those of several nodes: each group has a
// report and a reference of its own.
func (s *settings) chosenRooms() (groups [][]rooms.Point) {
	groups = make([][]rooms.Point, 2)
	for _, p := range rooms.Points() {
		word, group := "rooms", 0
		if p.Kind == rooms.Cluster {
			word, group = "cluster", 1
		}
		one, _ := match(s.points, p.Name)
		all, _ := match(s.points, word)
		if (one || all) && (p.Quick || !s.quick) {
			groups[group] = append(groups[group], p)
		}
	}
	return groups
}

func (s *settings) chosenPeers(p rooms.Point) (chosen []*rooms.Peer) {
	for _, peer := range rooms.All() {
		if named, _ := match(s.libs, peer.Name); peer.Does(p.Kind) && (named || s.libs == "") {
			chosen = append(chosen, peer)
		}
	}
	return chosen
}

// measureRooms builds what a group needs, measures it as measureAll does and returns the report; nil if there was nothing to do.
func (s *settings) measureRooms(interrupted context.Context, points []rooms.Point) (*report.Rooms, error) {
	if interrupted.Err() != nil || len(points) == 0 {
		return nil, nil
	}
	shop, err := rooms.NewShop(s.programs)
	if err != nil {
		return nil, err
	}
	for _, p := range points {
		for _, peer := range s.chosenPeers(p) {
			_, _ = shop.Get(peer) // its error comes again below, for each measurement that it prevents
		}
	}
	samples, complete := s.takeRooms(interrupted, points, shop)
	if len(samples) == 0 {
		return nil, nil
	}
	return &report.Rooms{
		Points: points, Peers: rooms.All(), Versions: shop.Versions(), Reference: s.peerAmong(samples), Samples: samples,
		Machine: machine(*s, s.roomOptions().Window, samples[len(samples)-1].Round+1, complete),
	}, nil
}

func (s *settings) takeRooms(interrupted context.Context, points []rooms.Point, shop *rooms.Shop) (samples []rooms.Sample, complete bool) {
	began := time.Now()
	for round := range s.rounds {
		for _, p := range points {
			if p.Kind == rooms.Idle && round > 0 {
				continue // memory comes out the same every time
			}
			peers := s.chosenPeers(p)
			for turn := range peers {
				if time.Since(began) > s.limit || interrupted.Err() != nil {
					fmt.Fprintf(os.Stderr, "stopped in round %d, at %s\n", round+1, p.Name)
					return samples, false
				}
				// Every round begins with another server, so that none is always measured behind the same one.
				sample := s.takeRoom(peers[(turn+round)%len(peers)], p, shop)
				sample.Round = round
				samples = append(samples, sample)
				runtime.GC()
				progressRooms(os.Stderr, time.Since(began), sample)
			}
		}
	}
	return samples, true
}

func (s *settings) takeRoom(peer *rooms.Peer, p rooms.Point, shop *rooms.Shop) rooms.Sample {
	program, err := shop.Get(peer)
	if err != nil {
		return rooms.Sample{Point: p.Name, Peer: peer.Name, Error: err.Error(), Missing: errors.Is(err, rooms.ErrMissing)}
	}
	return rooms.Take(peer, program, p, s.roomOptions())
}

// roomOptions gives these points three times the window, because some servers need a second for a few publications.
func (s *settings) roomOptions() rooms.Options {
	return rooms.Options{Window: 3 * s.measure.Window, Warmup: s.measure.Warmup, Settle: s.settle, Pin: s.measure.Pin}
}

func progressRooms(w io.Writer, elapsed time.Duration, s rooms.Sample) {
	fmt.Fprintf(w, "%4.0fs  round %d  %-26s %-15s ", elapsed.Seconds(), s.Round+1, s.Point, s.Peer)
	switch {
	case s.Missing:
		fmt.Fprintln(w, "not to be had here")
	case s.Error != "":
		fmt.Fprintln(w, "FAILED:", s.Error)
	case s.Units > 0:
		fmt.Fprintf(w, "%8.0f ns each  %9.0f/s\n", s.CPU, s.Rate)
	default:
		fmt.Fprintf(w, "%8.0f bytes/subscriber\n", s.Memory)
	}
}

// peerAmong falls back on the first peer measured when the chosen reference was not.
func (s *settings) peerAmong(samples []rooms.Sample) string {
	for _, sample := range samples {
		if sample.Peer == s.reference {
			return s.reference
		}
	}
	return samples[0].Peer
}

// firstFailedRoom passes over servers that are not to be had: the report says so, and that is all there is to it.
func firstFailedRoom(samples []rooms.Sample) error {
	for _, s := range samples {
		if s.Error != "" && !s.Missing {
			return fmt.Errorf("%s at %s: %s", s.Peer, s.Point, s.Error)
		}
	}
	return nil
}
