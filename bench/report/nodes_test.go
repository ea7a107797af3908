package report

import (
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/bench/rooms"
)

func TestManyNodesAreReportedByMediansOfPublications(t *testing.T) {
	ms := func(n ...time.Duration) (all []time.Duration) {
		for _, one := range n {
			all = append(all, one*time.Millisecond)
		}
		return all
	}
	run := &rooms.NodesRun{
		Version: "ringdown 1, redis 7", Connections: 20_000, Joined: 2500 * time.Millisecond, Machine: 300e6, Clients: 40 * time.Millisecond, Elsewhere: 0.25,
		Nodes: []rooms.Share{
			{Connections: 10_000, Joining: time.Second, Idle: 0.015, Publishing: ms(50, 900, 60)},
			{Connections: 10_000, Joining: 2 * time.Second, Idle: 0.02, Publishing: ms(70, 80, 90)},
		},
		Broker: rooms.Share{Connections: 20_000, Publishing: ms(2, 2, 2)},
	}
	for _, n := range []time.Duration{10, 900, 30} {
		run.Reaches = append(run.Reaches, rooms.Reach{First: n * time.Millisecond, Median: 2 * n * time.Millisecond, P99: 3 * n * time.Millisecond, Last: 4 * n * time.Millisecond})
	}
	var out strings.Builder
	Nodes(&out, run, "a machine")
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"a machine", "ringdown 1, redis 7", "20,000 connections at 2 nodes, in 2.5 s", "Elsewhere 0.25",
		"| the first | 30.0 | 10.0-900.0 |", "| half of them | 60.0 |", "| 99 % | 90.0 |", "| the last | 120.0 |",
		"| 100 | 1.5 | 60.0 | 6,000 |", "| 200 | 2.0 | 80.0 | 8,000 |", "| 2.0 | 100 |", "shrunk by 300 MB", "used 40 ms",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
}

func TestClustersAreReportedPerDeliveryAndPerPublication(t *testing.T) {
	p := rooms.Point{Name: "cluster-2000", Kind: rooms.Cluster, Clients: 2000, InFlight: 1}
	r := Rooms{Points: []rooms.Point{p}, Peers: rooms.All(), Reference: "ringdown-redis"}
	for round, slow := range []float64{1, 3} {
		r.Samples = append(r.Samples,
			rooms.Sample{Point: p.Name, Peer: "ringdown-redis", Round: round, Clients: 2000, CPU: 4000 * slow, Broker: 50 * slow, Rate: 200_000},
			rooms.Sample{Point: p.Name, Peer: "socket.io-redis", Round: round, Clients: 2000, CPU: 10_000 * slow, Broker: 60, Rate: 50_000})
	}
	var out strings.Builder
	r.Write(&out)
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"2 nodes, 128 B, one publication at a time, to 1000 subscribers on each",
		"| ringdown-redis | 8,000 | 1.00 | 4,000-12,000 | 100 | 0 | 100 | 200 |",
		"| socket.io-redis | 20,000 | 2.50 |", "| 60 | 0 | 25 | 120 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
}
