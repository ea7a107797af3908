package rooms

// This file: Centrifugo 6, built from source.

import (
	"cmp"
	"debug/buildinfo"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const centrifugoModule = "github.com/centrifugal/centrifugo/v6"

// centrifugoConfig lets anybody subscribe and publish, as Ringdown's --dev does, and keeps as long a history. %d is the port, %s the engine if it is not to be memory.
const centrifugoConfig = `{
  "http_server": {"address": "127.0.0.1", "port": %d},
  "log": {"level": "error"},
  "usage_stats": {"disabled": true},
  "client": {"insecure": true, "allowed_origins": ["*"]},
  "http_api": {"insecure": true},%s
  "channel": {
    "without_namespace": {
      "history_size": 1000,
      "history_ttl": "600s",
      "allow_subscribe_for_client": true,
      "allow_subscribe_for_anonymous": true,
      "allow_publish_for_client": true,
      "allow_publish_for_anonymous": true
    }
  }
}
`

var centrifugo = &Peer{
	Name:  "centrifugo",
	About: "memory engine, history of 1,000 for 10 minutes, no presence; JSON protocol over WebSocket; publishing: `/api/publish`",
	Kinds: []Kind{Fanout, Idle, Publish, Join},
	Build: buildCentrifugo,
	Protocol: Protocol{
		Path: "/connection/websocket",
		Join: []Exchange{
			{Say: `{"id":1,"connect":{}}`, Hear: `"connect":`},
			{Say: `{"id":2,"subscribe":{"channel":"` + channel + `"}}`, Hear: `"subscribe":`},
		},
		Greet:   []Exchange{{Say: `{"id":1,"connect":{}}`, Hear: `"connect":`}},
		Publish: around(`{"id":3,"publish":{"channel":"`+channel+`","data":`, `}}`),
		Pulse:   `{}`,
		Beat:    `{}`,
		Post: &Post{
			Path:   "/api/publish",
			Header: "Content-Type: application/json\r\n",
			Body:   around(`{"channel":"`+channel+`","data":`, `}`),
		},
	},
}

const centrifugoRedisEngine = `
  "engine": {"type": "redis", "redis": {"address": "redis://%s"}},`

var centrifugoRedis = &Peer{
	Name:     "centrifugo-redis",
	About:    "two of them over one `redis-server` that writes nothing to disk; else the same",
	Kinds:    []Kind{Cluster},
	Build:    buildCentrifugoRedis,
	Protocol: centrifugo.Protocol,
}

func buildCentrifugoRedis(s *Shop) (p Program, err error) {
	broker, err := buildRedis(s)
	if err != nil {
		return p, err
	}
	if p, err = buildCentrifugo(s); err != nil {
		return p, err
	}
	program := centrifugoProgram(s)
	p.Version += ", " + broker.Version
	p.Broker = &broker
	p.Node = func(broker netip.AddrPort, port int, dir string) ([]string, error) {
		return centrifugoCommand(program, fmt.Sprintf(centrifugoRedisEngine, broker), port, dir)
	}
	return p, nil
}

func centrifugoProgram(s *Shop) string {
	return cmp.Or(s.Given["centrifugo"], filepath.Join(s.Dir, "centrifugo"))
}

func centrifugoCommand(program, engine string, port int, dir string) ([]string, error) {
	config := filepath.Join(dir, "centrifugo.json")
	err := os.WriteFile(config, fmt.Appendf(nil, centrifugoConfig, port, engine), 0o600)
	return []string{program, "--config", config}, err
}

func buildCentrifugo(s *Shop) (p Program, err error) {
	program := centrifugoProgram(s)
	if _, given := s.Given["centrifugo"]; !given {
		if err := s.install(centrifugoModule+"@latest", program); err != nil {
			return p, err
		}
	}
	return Program{
		Version: centrifugoVersion(program),
		Command: func(port int, dir string) ([]string, error) {
			return centrifugoCommand(program, "", port, dir)
		},
	}, nil
}

// centrifugoVersion is what the binary was built from, or, of a release, what it says of itself.
func centrifugoVersion(program string) string {
	if info, err := buildinfo.ReadFile(program); err == nil && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Path + " " + info.Main.Version
	}
	said, err := exec.Command(program, "version").Output()
	if err != nil {
		return "centrifugo, version unknown"
	}
	first, _, _ := strings.Cut(string(said), "\n")
	return first
}
