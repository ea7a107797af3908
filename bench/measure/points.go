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
	Depth       int // messages in flight per connection
	Compression servers.Compression
	Quick       bool // part of a quick run
}

// Points are all points, in the order of the tables.
func Points() []Point {
	const pipeline = 16
	var points []Point
	for _, connections := range []int{100, 5000} {
		for _, size := range []int{32, 1 << 10, 16 << 10} {
			points = append(points, Point{
				Kind: servers.Echo, Connections: connections, Size: size, Depth: 1, Compression: servers.Off,
				Quick: connections == 100 || size == 32,
			})
		}
	}
	points = append(points, Point{
		Kind: servers.Idle, Connections: 5000, Size: 32, Depth: 1, Compression: servers.Off, Quick: true,
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
	for i := range points {
		points[i].Name = points[i].name()
	}
	return points
}

func (p Point) name() string {
	switch p.Kind {
	case servers.Idle:
		return fmt.Sprintf("idle-%d", p.Connections)
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
	return load.Echo(p.Size, p.Depth)
}

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
