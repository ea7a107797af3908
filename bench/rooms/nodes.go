package rooms

// This file: what a run of many nodes is asked and what it tells.

import (
	"slices"
	"time"
)

// NodesOptions say how many nodes share how many connections.
type NodesOptions struct {
	Nodes        int
	Connections  int // of all nodes together, subscribers of one channel
	Publications int
	Broker       string        // redis or nats
	Settle       time.Duration // from when all have joined until memory is read, and how long idleness is watched then
	Pin          bool          // nodes and broker on the first processor, clients on the second
}

// NodesRun is what was measured.
type NodesRun struct {
	Version     string
	Joined      time.Duration // how long it took until all connections were there
	Nodes       []Share
	Broker      Share
	Reaches     []Reach
	Clients     time.Duration // processor time of all clients, for each publication
	Machine     int           // bytes by which the memory of the machine that is left has shrunk: nodes, broker, clients and kernel
	Elsewhere   float64       // processors that were busy with nothing of ours while publications were measured
	Connections int
}

// A Share is what a process took on itself.
type Share struct {
	Connections   int
	Before, After memory        // before anybody came, and when all were there
	Joining       time.Duration // processor time from the first connection to the last
	Idle          float64       // processors it kept busy while nobody published
	Publishing    []time.Duration
}

// Each is by how many bytes the process has grown for each connection.
func (s *Share) Each() float64 { return s.grown(s.After.pss - s.Before.pss) }

// Anonymous is the part of Each that is no file's.
func (s *Share) Anonymous() float64 { return s.grown(s.After.anonymous - s.Before.anonymous) }

func (s *Share) grown(bytes int) float64 { return float64(bytes) / float64(max(1, s.Connections)) }

// Resident is what the process held with all connections there, in bytes.
func (s *Share) Resident() int { return s.After.pss }

// memory is what a process holds, in bytes.
type memory struct {
	pss       int // proportional set size: of pages that processes share, each has its part
	anonymous int // the part that is no file's
}

// Reach is when a publication had reached its subscribers, counted from when it began to be sent.
type Reach struct{ First, Median, P99, Last time.Duration }

// reachOf sorts the times at which subscribers have read a publication that was sent at a time; all are on one clock.
func reachOf(sent time.Duration, heard []time.Duration) Reach {
	slices.Sort(heard)
	at := func(share float64) time.Duration { return heard[int(share*float64(len(heard)-1))] - sent }
	return Reach{at(0), at(0.50), at(0.99), at(1)}
}

// shares divides connections among nodes as evenly as can be.
func shares(connections, nodes int) []int {
	each := make([]int, nodes)
	for i := range each {
		each[i] = connections / nodes
		if i < connections%nodes {
			each[i]++
		}
	}
	return each
}
