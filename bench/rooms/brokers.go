package rooms

// This file: brokers that nodes ride on, and how a server is made several nodes over one of them.

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// over makes a server of several nodes: each is started by the command of one, with the broker's address as its last argument.
func over(scheme string, broker, server func(*Shop) (Program, error)) func(*Shop) (Program, error) {
	return func(s *Shop) (p Program, err error) {
		b, err := broker(s)
		if err != nil {
			return p, err
		}
		if p, err = server(s); err != nil {
			return p, err
		}
		alone := p.Command
		p.Version += ", " + b.Version
		p.Broker = &b
		p.Node = func(broker netip.AddrPort, port int, dir string) ([]string, error) {
			command, err := alone(port, dir)
			return append(command[:len(command):len(command)], scheme+"://"+broker.String()), err
		}
		return p, nil
	}
}

// buildRedis looks for the redis-server of the system. It keeps everything in memory, which is the least that it can do.
func buildRedis(s *Shop) (Program, error) {
	return s.find("redis-server", func(program string, port int, dir string) []string {
		return []string{program, "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--dir", dir, "--save", "", "--appendonly", "no"}
	})
}

// buildNATS looks for the nats-server of the system, with JetStream, whose files are in the directory.
func buildNATS(s *Shop) (Program, error) {
	return s.find("nats-server", func(program string, port int, dir string) []string {
		return []string{program, "-a", "127.0.0.1", "-p", fmt.Sprint(port), "-js", "-sd", dir}
	})
}

// find looks for a program that is not for us to build.
func (s *Shop) find(name string, command func(program string, port int, dir string) []string) (p Program, err error) {
	program, given := s.Given[name]
	if !given {
		if program, err = exec.LookPath(name); err != nil {
			return p, fmt.Errorf("%w: %w", ErrMissing, err)
		}
	}
	version, err := exec.Command(program, "--version").Output()
	if err != nil {
		return p, fmt.Errorf("asking %s for its version: %w", program, err)
	}
	return Program{
		Version: brokerVersion(name, string(version)),
		Command: func(port int, dir string) ([]string, error) { return command(program, port, dir), nil },
	}, nil
}

// brokerVersion finds the number in what a program says of itself: "Redis server v=7.0.15 sha=…", "nats-server: v2.9.10".
func brokerVersion(name, said string) string {
	for word := range strings.FieldsSeq(said) {
		number := strings.TrimPrefix(strings.TrimPrefix(word, "v"), "=")
		if number != word && number != "" && number[0] >= '0' && number[0] <= '9' {
			return name + " " + number
		}
	}
	return name + ", version unknown"
}
