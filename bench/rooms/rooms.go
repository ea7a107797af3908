// Package rooms measures whole servers, not libraries: what a delivery, an idle subscriber, a publish over HTTP and a join
// cost `ringdown serve`, and what they cost its peers.
//
// Every server is the real one, a process of its own, and is spoken to in its own protocol: peers are files of this
// package, each with how the server is started and a [Protocol], which says how its clients join and publish. The
// client is one epoll loop that knows nothing of any server but its Protocol.
package rooms

import "fmt"

// Kind is what a point measures.
type Kind string

// The kinds of points.
const (
	Fanout  Kind = "fanout"  // publications to many subscribers of one channel
	Idle    Kind = "idle"    // memory of subscribers that hear nothing
	Publish Kind = "publish" // POST requests, one subscriber
	Ack     Kind = "ack"     // events with an acknowledgement
	Join    Kind = "join"    // clients that connect and subscribe as fast as the server takes them
	Cluster Kind = "cluster" // publications to many subscribers, who are on two nodes over one broker
)

// A Point is one thing to measure, the same for every server.
type Point struct {
	Name     string
	Kind     Kind
	Clients  int  // subscribers; of Publish, connections that post; of Ack, clients that ask
	InFlight int  // of Fanout and Cluster: publications under way at any time
	Quick    bool // part of a quick run
}

// PayloadSize is the bytes of every publication's payload.
const PayloadSize = 128

const (
	stream  = 16  // publications in flight
	posters = 32  // connections that post, each one request at a time
	askers  = 100 // clients that ask, each one event at a time

	nodes = 2 // of a Cluster
)

// Points are all points, in the order of the tables.
func Points() []Point {
	points := []Point{
		{Kind: Fanout, Clients: 1000, InFlight: 1, Quick: true},
		{Kind: Fanout, Clients: 1000, InFlight: stream, Quick: true},
		{Kind: Fanout, Clients: 10000, InFlight: 1},
		{Kind: Fanout, Clients: 10000, InFlight: stream},
		{Kind: Idle, Clients: 10000},
		{Kind: Publish, Clients: posters, Quick: true},
		{Kind: Ack, Clients: askers},
		{Kind: Join, Clients: 10000},
		{Kind: Cluster, Clients: nodes * 1000, InFlight: 1, Quick: true},
		{Kind: Cluster, Clients: nodes * 1000, InFlight: stream, Quick: true},
	}
	for i := range points {
		points[i].Name = points[i].name()
	}
	return points
}

func (p Point) name() string {
	switch {
	case p.Kind == Fanout && p.InFlight > 1:
		return fmt.Sprintf("rooms-fanout-stream-%d", p.Clients)
	case p.Kind == Publish:
		return "rooms-publish"
	case p.Kind == Cluster && p.InFlight > 1:
		return fmt.Sprintf("cluster-stream-%d", p.Clients)
	case p.Kind == Cluster:
		return fmt.Sprintf("cluster-%d", p.Clients)
	default:
		return fmt.Sprintf("rooms-%s-%d", p.Kind, p.Clients)
	}
}

// Title is the point's name for readers.
func (p Point) Title() string {
	switch p.Kind {
	case Fanout:
		return fmt.Sprintf("Server fan-out, %d B, %s, to %d subscribers", PayloadSize, p.pace(), p.Clients)
	case Cluster:
		return fmt.Sprintf("%d nodes, %d B, %s, to %d subscribers on each", nodes, PayloadSize, p.pace(), p.Clients/nodes)
	case Idle:
		return fmt.Sprintf("Memory of %d idle subscribers", p.Clients)
	case Publish:
		return fmt.Sprintf("Publishing %d B with POST over %d connections, one subscriber", PayloadSize, p.Clients)
	case Ack:
		return fmt.Sprintf("Acknowledgements: events of %d B, each answered with what it says, from %d clients with one under way each", PayloadSize, p.Clients)
	default:
		return fmt.Sprintf("Join storm: %d clients connect and subscribe", p.Clients)
	}
}

func (p Point) pace() string {
	if p.InFlight > 1 {
		return fmt.Sprintf("%d publications in flight", p.InFlight)
	}
	return "one publication at a time"
}

// A Sample is one measurement of one server at one point.
type Sample struct {
	Point, Peer string
	Round       int
	Error       string `json:",omitempty"` // why there is nothing else
	Missing     bool   `json:",omitempty"` // the error is that the server is not to be had here

	// Of points with work; a unit is a delivery, a publish, a round trip or a join.
	Units   int     `json:",omitempty"`
	Clients int     `json:",omitempty"` // subscribers, each of whom is a delivery of a publication
	CPU     float64 `json:",omitempty"` // nanoseconds of the server's process, or of all nodes' processes, per unit
	Broker  float64 `json:",omitempty"` // nanoseconds of the broker that nodes ride on, per unit
	Kernel  float64 `json:",omitempty"` // the kernel's part of them, 0 to 1
	Rate    float64 `json:",omitempty"` // units per second
	Seconds float64 `json:",omitempty"` // that the whole took
	P50     float64 `json:",omitempty"` // microseconds
	P99     float64 `json:",omitempty"`
	Busy    float64 `json:",omitempty"` // processors that the server kept busy

	// Of idle points, bytes per subscriber.
	Memory    float64 `json:",omitempty"` // growth of the proportional set size
	Anonymous float64 `json:",omitempty"` // the part that is no file's
	Settled   float64 `json:",omitempty"` // seconds until the memory stood still
}
