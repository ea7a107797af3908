//go:build linux

package load

// This file: connections over TLS, for points where the server is measured while the client does nothing. They are
// blocking and a goroutine deals with several of them in turn: who wants throughput needs another client.

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const secureWorkers = 16

// A SecureClient is a set of open connections over TLS that keep to one script of Echo.
type SecureClient struct {
	conns  []*tls.Conn
	script *Script
}

// DialSecure opens count connections and performs their handshakes. It does not verify who the server is.
func DialSecure(server netip.AddrPort, count int, script *Script) (*SecureClient, error) {
	c := &SecureClient{conns: make([]*tls.Conn, count), script: script}
	request := handshakeRequest("https", server.String(), script.offer)
	err := c.each(func(i int) (err error) {
		c.conns[i], err = enterSecure(server, request)
		return err
	})
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// enterSecure keeps the connection when the handshake fails, for Close.
func enterSecure(server netip.AddrPort, request []byte) (*tls.Conn, error) {
	plain, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(server))
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, &tls.Config{InsecureSkipVerify: true})
	// Closing resets, as in ask.
	if err := plain.SetLinger(0); err != nil {
		return conn, err
	}
	if err := conn.SetDeadline(time.Now().Add(handshakeLimit)); err != nil {
		return conn, err
	}
	if _, err := conn.Write(request); err != nil {
		return conn, err
	}
	answer := make([]byte, 0, 1024)
	for !bytes.HasSuffix(answer, headerEnd) {
		n, err := conn.Read(answer[len(answer):cap(answer)])
		if err != nil || n == 0 {
			return conn, fmt.Errorf("the handshake's answer ended at %q: %v", answer, err)
		}
		answer = answer[:len(answer)+n]
	}
	_, err = parseAnswer(answer)
	return conn, err
}

// Once sends one burst on every connection and waits for all answers. Of the result it knows the count only.
func (c *SecureClient) Once() (*Result, error) {
	say, err := c.script.bursts(agreement{})
	if err != nil {
		return nil, err
	}
	err = c.each(func(i int) error {
		conn, checker, buf := c.conns[i], c.script.check(agreement{}), make([]byte, 4096)
		if err := conn.SetDeadline(time.Now().Add(handshakeLimit)); err != nil {
			return err
		}
		if _, err := conn.Write(say.bytes[0]); err != nil {
			return err
		}
		for done := 0; done < say.messages; {
			n, err := conn.Read(buf)
			if err == io.EOF {
				return fmt.Errorf("the server closed connection %d", i)
			}
			if err != nil {
				return err
			}
			messages, err := checker.feed(buf[:n])
			if err != nil {
				return err
			}
			done += messages
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Result{Messages: len(c.conns) * say.messages}, nil
}

// each does something with all connections, several at a time, and returns the first error.
func (c *SecureClient) each(do func(i int) error) error {
	var workers sync.WaitGroup
	errs := make(chan error, secureWorkers)
	for first := range secureWorkers {
		workers.Go(func() {
			for i := first; i < len(c.conns); i += secureWorkers {
				if err := do(i); err != nil {
					errs <- fmt.Errorf("connection %d: %w", i, err)
					return
				}
			}
		})
	}
	workers.Wait()
	close(errs)
	return <-errs
}

// Close closes all connections at once, without the closing handshakes of WebSocket and TLS.
func (c *SecureClient) Close() {
	for _, conn := range c.conns {
		if conn != nil {
			conn.NetConn().Close()
		}
	}
}
