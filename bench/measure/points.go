// Package measure takes one measurement: a server in a process of its own, a client in this one, one point.
package measure

import (
	"fmt"

	"github.com/ringdown/ringdown/bench/load"
	"github.com/ringdown/ringdown/bench/servers"
)

// A Point is one thing to measure, the same for every server.
type Point struct {
	Name        string
	Kind        servers.Kind
	Connections int
	Size        int // bytes of a message
	Depth       int // messages in flight per connection; of fan-out, publications in flight
	Compression servers.Compression
	Quick       bool // part of a quick run
	Once        bool // measured in the first round only, because it comes out the same every time
}

// Points are all points, in the order of the tables.
func Points() []Point {
	const pipeline = 16
	var points []Point
	for _, echo := range []struct {
		connections, size int
		quick             bool
	}{{100, 32, true}, {100, 1 << 10, true}, {100, 16 << 10, true}, {5000, 32, true}, {5000, 16 << 10, false}} {
		points = append(points, Point{
			Kind: servers.Echo, Connections: echo.connections, Size: echo.size, Depth: 1, Compression: servers.Off,
			Quick: echo.quick,
		})
	}
	for _, connections := range []int{5000, 10000} {
		points = append(points, Point{
			Kind: servers.Idle, Connections: connections, Size: 32, Depth: 1, Compression: servers.Off,
			Quick: connections == 5000, Once: true,
		})
	}
	points = append(points, Point{
		Kind: servers.IdleTLS, Connections: 2000, Size: 32, Depth: 1, Compression: servers.Off, Quick: true, Once: true,
	})
	for _, compression := range []servers.Compression{servers.NoTakeover, servers.Takeover} {
		points = append(points, Point{
			Kind: servers.Deflate, Connections: 100, Size: 1 << 10, Depth: 1, Compression: compression,
			Quick: compression == servers.NoTakeover,
		})
	}
	for _, connections := range []int{100, 1000} {
		points = append(points, Point{
			Kind: servers.Pipelined, Connections: connections, Size: 32, Depth: pipeline, Compression: servers.Off,
			Quick: connections == 100,
		})
	}
	for _, connections := range []int{1000, 10000} {
		for _, depth := range []int{1, pipeline} {
			points = append(points, Point{
				Kind: servers.Fanout, Connections: connections, Size: 128, Depth: depth, Compression: servers.Off,
				Quick: connections == 1000,
			})
		}
	}
	for i := range points {
		points[i].Name = points[i].name()
	}
	return points
}

func (p Point) name() string {
	switch p.Kind {
	case servers.Idle, servers.IdleTLS:
		return fmt.Sprintf("%s-%d", p.Kind, p.Connections)
	case servers.Fanout:
		if p.Depth > 1 {
			return fmt.Sprintf("fanout-stream-%d", p.Connections)
		}
		return fmt.Sprintf("fanout-single-%d", p.Connections)
	case servers.Deflate:
		return fmt.Sprintf("deflate-%s-%d", p.Compression, p.Connections)
	default:
		return fmt.Sprintf("%s-%s-%d", p.Kind, shortSize(p.Size), p.Connections)
	}
}

// Title is the point's name for readers.
func (p Point) Title() string {
	connections := groupThousands(p.Connections) + " connections"
	switch p.Kind {
	case servers.Idle:
		return "Idle, " + connections
	case servers.IdleTLS:
		return "Idle over TLS, " + connections
	case servers.Fanout:
		if p.Depth > 1 {
			return fmt.Sprintf("Fan-out, a stream of %s, %d in flight, to %s", longSize(p.Size), p.Depth, connections)
		}
		return fmt.Sprintf("Fan-out, %s, one publication at a time, to %s", longSize(p.Size), connections)
	case servers.Deflate:
		takeover := map[servers.Compression]string{
			servers.NoTakeover: "no context takeover", servers.Takeover: "context takeover",
		}[p.Compression]
		return fmt.Sprintf("Deflate echo, %s JSON, %s, %s", longSize(p.Size), takeover, connections)
	case servers.Pipelined:
		return fmt.Sprintf("Pipelined echo, %s, %d in flight, %s", longSize(p.Size), p.Depth, connections)
	default:
		return fmt.Sprintf("Echo, %s, %s", longSize(p.Size), connections)
	}
}

func (p Point) script() *load.Script {
	if p.Kind == servers.Deflate {
		return load.DeflateEcho(p.Size, p.Compression == servers.Takeover)
	}
	if p.Kind == servers.Fanout {
		return load.Echo(p.Size, 1)
	}
	return load.Echo(p.Size, p.Depth)
}

// Idle reports whether the point is about memory.
func (p Point) Idle() bool { return p.Kind == servers.Idle || p.Kind == servers.IdleTLS }

func shortSize(size int) string {
	if size >= 1<<10 {
		return fmt.Sprintf("%dk", size>>10)
	}
	return fmt.Sprint(size)
}

func longSize(size int) string {
	if size >= 1<<10 {
		return fmt.Sprintf("%d KiB", size>>10)
	}
	return fmt.Sprintf("%d B", size)
}

func groupThousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
