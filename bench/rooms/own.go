package rooms

// This file: two servers of these benchmarks themselves, to compare products with. Both are of package servers and run as
// processes of this program.

import "os"

// floor is what the system calls of a delivery cost alone.
var floor = &Peer{
	Name:     "floor",
	About:    "no server: one epoll loop and a bare `write` to each socket for each publication",
	Kinds:    []Kind{Fanout},
	Build:    own("floor"),
	Protocol: Protocol{Path: "/", Publish: verbatim},
}

// hub is how most servers in Go are made, and stands for the way, not for any product.
var hub = &Peer{
	Name:     "gorilla-hub",
	About:    "the usual way in Go, as in gorilla/websocket's chat example: two goroutines and a queue for each client; no history",
	Kinds:    []Kind{Fanout, Idle, Join},
	Build:    own("gorilla-hub"),
	Protocol: Protocol{Path: "/", Publish: verbatim},
}

func own(name string) func(*Shop) (Program, error) {
	return func(*Shop) (Program, error) {
		program, err := os.Executable()
		return Program{
			Chooses: true,
			Command: func(int, string) ([]string, error) { return []string{program, "room", name}, nil },
		}, err
	}
}
