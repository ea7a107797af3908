package rooms

// This file: `ringdown serve`, built from the tree that these benchmarks are in, in each of its protocols.

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	ringdownModule = "github.com/ringdown/ringdown"
	channelPath    = "/channels/" + channel
)

// postToChannel is the same for whoever listens.
var postToChannel = &Post{Path: channelPath, Header: "Content-Type: application/json\r\n"}

var ringdownRaw = &Peer{
	Name:  "ringdown",
	About: "`ringdown serve --dev`: memory broker, history of 1,000 for 10 minutes, presence; raw WebSocket, `/channels/{channel}`; publishing: `POST /channels/{channel}`",
	Kinds: []Kind{Fanout, Idle, Publish, Join},
	Build: buildRingdown,
	Protocol: Protocol{
		Path:    channelPath,
		Publish: verbatim,
		Post:    postToChannel,
	},
}

var ringdownNative = &Peer{
	Name:  "ringdown-native",
	About: "the same server; its JSON protocol over WebSocket, `/connect`",
	Kinds: []Kind{Fanout, Idle, Join},
	Build: buildRingdown,
	Protocol: Protocol{
		Path: "/connect",
		Join: []Exchange{{
			Say:  `{"type":"subscribe","channel":"` + channel + `","id":1}`,
			Hear: `"type":"subscribed"`,
		}},
		Publish: around(`{"type":"publish","channel":"`+channel+`","data":`, `}`),
	},
}

var ringdownSSE = &Peer{
	Name:  "ringdown-sse",
	About: "the same server; Server-Sent Events over HTTP/1.1, `GET /channels/{channel}`",
	Kinds: []Kind{Fanout, Idle, Join},
	Build: buildRingdown,
	Protocol: Protocol{
		Path:   channelPath,
		Header: "Accept: text/event-stream\r\n",
		Stream: EventStream,
		Post:   postToChannel,
	},
}

func buildRingdown(s *Shop) (p Program, err error) {
	program, given := s.Given["ringdown"]
	if !given {
		program = filepath.Join(s.Dir, "ringdown")
		if err := s.buildModule(ringdownModule, "./cmd/ringdown", program); err != nil {
			return p, err
		}
	}
	version, err := exec.Command(program, "version").Output()
	if err != nil {
		return p, fmt.Errorf("asking %s for its version: %w", program, err)
	}
	first, _, _ := strings.Cut(string(version), "\n")
	// --dev lets anybody publish and keeps a history in every channel.
	command := []string{program, "serve", "--dev", "--listen", "127.0.0.1:0"}
	return Program{
		Version: strings.TrimSpace(first),
		Chooses: true,
		Command: func(int, string) ([]string, error) { return command, nil },
	}, nil
}

// ringdownNodes are several such servers over a broker: `--broker` is the last but one argument, its address the last.
func ringdownNodes(s *Shop) (Program, error) {
	p, err := buildRingdown(s)
	if err != nil {
		return p, err
	}
	alone := p.Command
	p.Command = func(port int, dir string) ([]string, error) {
		command, err := alone(port, dir)
		return append(command[:len(command):len(command)], "--broker"), err
	}
	return p, nil
}

// The server of ringdownRaw again, with the same protocol, as a cluster and, to tell what the broker adds, by itself.
var (
	ringdownRedis = &Peer{
		Name:     "ringdown-redis",
		About:    "two `ringdown serve --dev` over one `redis-server` that writes nothing to disk; history and presence in Redis; raw WebSocket",
		Kinds:    []Kind{Cluster},
		Build:    over("redis", buildRedis, ringdownNodes),
		Protocol: Protocol{Path: channelPath, Publish: verbatim, Post: postToChannel},
	}
	ringdownNATS = &Peer{
		Name:     "ringdown-nats",
		About:    "the same over one `nats-server` with JetStream, which keeps the history in files",
		Kinds:    []Kind{Cluster},
		Build:    over("nats", buildNATS, ringdownNodes),
		Protocol: Protocol{Path: channelPath, Publish: verbatim, Post: postToChannel},
	}
	ringdownOneNode = &Peer{
		Name:     "ringdown-one-node",
		About:    "no cluster: all subscribers on one `ringdown serve --dev` with the memory broker, to tell what the way through a broker adds",
		Kinds:    []Kind{Cluster},
		Build:    buildRingdown,
		Protocol: Protocol{Path: channelPath, Publish: verbatim, Post: postToChannel},
	}
)
