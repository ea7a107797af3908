package rooms

// This file: the floor, which is no server: what the system calls of a delivery cost alone. It is package servers' floor with
// the publications of these points, run by this program itself.

import "os"

var floor = &Peer{
	Name:  "floor",
	About: "no server: one epoll loop and a bare `write` to each socket for each publication",
	Kinds: []Kind{Fanout},
	Build: func(*Shop) (Program, error) {
		program, err := os.Executable()
		return Program{
			Chooses: true,
			Command: func(int, string) ([]string, error) { return []string{program, "floor"}, nil },
		}, err
	},
	Protocol: Protocol{Path: "/", Publish: verbatim},
}
