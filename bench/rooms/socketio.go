package rooms

// This file: Socket.IO 4.8 on Node.js, with its default engine and `ws` (socketio/server.mjs is the server), and our own.

import (
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed socketio/package.json socketio/server.mjs
var socketIOFiles embed.FS

var socketIO = &Peer{
	Name:     "socket.io",
	About:    "a server of some twenty lines with rooms, WebSocket from the start; no history; publishing: a `node:http` handler that emits",
	Kinds:    []Kind{Fanout, Idle, Publish, Ack, Join},
	Build:    buildSocketIO,
	Protocol: socketIOProtocol(),
}

// ringdownSocketIO is the like of it: a program with our package, in as many lines.
var ringdownSocketIO = &Peer{
	Name:     "ringdown-socketio",
	About:    "a program with package socketio and the same events, WebSocket from the start; memory broker, no history",
	Kinds:    []Kind{Fanout, Idle, Ack, Join},
	Build:    own("socketio"),
	Protocol: socketIOProtocol(),
}

// socketIOProtocol is what clients of both say.
func socketIOProtocol() Protocol {
	return Protocol{
		Path: "/socket.io/?EIO=4&transport=websocket",
		Join: []Exchange{
			{Hear: `0{"sid"`},
			{Say: `40`, Hear: `40{"sid"`},
			{Say: `420["join","` + channel + `"]`, Hear: `430[`},
		},
		Greet:   []Exchange{{Hear: `0{"sid"`}, {Say: `40`, Hear: `40{"sid"`}},
		Publish: around(`42["publish","`+channel+`",`, `]`),
		Ask:     around(`421["echo",`, `]`),
		Pulse:   `2`,
		Beat:    `3`,
		Post:    &Post{Path: "/publish/" + channel, Header: "Content-Type: application/json\r\n"},
	}
}

var socketIORedis = &Peer{
	Name:     "socket.io-redis",
	About:    "two such servers in a process each, @socket.io/redis-adapter, over one `redis-server`; no history",
	Kinds:    []Kind{Cluster},
	Build:    buildSocketIORedis,
	Protocol: socketIOProtocol(),
}

func buildSocketIORedis(s *Shop) (Program, error) {
	return over("redis", buildRedis, buildSocketIO)(s)
}

func buildSocketIO(s *Shop) (p Program, err error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return p, fmt.Errorf("%w: Node.js: %w", ErrMissing, err)
	}
	dir := filepath.Join(s.Dir, "socketio")
	if err := unpack(socketIOFiles, "socketio", dir); err != nil {
		return p, err
	}
	version, err := socketIOVersion(dir)
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules", "@socket.io", "redis-adapter")) // an installation may be older than the list
	}
	if err != nil {
		if err := s.run(dir, nil, "npm", "install", "--no-audit", "--no-fund"); err != nil {
			return p, fmt.Errorf("%w: %w", ErrMissing, err)
		}
		if version, err = socketIOVersion(dir); err != nil {
			return p, err
		}
	}
	return Program{
		Version: version,
		Chooses: true,
		Command: func(int, string) ([]string, error) {
			return []string{node, filepath.Join(dir, "server.mjs")}, nil
		},
	}, nil
}

// socketIOVersion is what npm installed.
func socketIOVersion(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "socket.io", "package.json"))
	if err != nil {
		return "", err
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return "", err
	}
	return "socket.io " + manifest.Version, nil
}

// unpack writes the files of a folder into another.
func unpack(files embed.FS, from, to string) error {
	entries, err := files.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, entry := range entries {
		text, err := files.ReadFile(from + "/" + entry.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, entry.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
