package tlsshim

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

func TestSilentPeersGiveWayToThoseThatSpeak(t *testing.T) {
	const most, patience = 3, 20 * time.Second
	server, client := config(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newListener(inner, server, most)
	defer l.Close()
	var taken sync.WaitGroup
	defer taken.Wait()
	taken.Go(func() {
		for range most { // as many as speak
			nc, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
		}
	})
	peers := make([]net.Conn, most+1)
	for i := range peers {
		if peers[i], err = net.Dial("tcp", inner.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer peers[i].Close()
		peers[i].SetDeadline(time.Now().Add(patience))
	}
	// The last one has taken the place of the first; to the others nothing has happened.
	if n, err := peers[0].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the first is not closed: %d, %v", n, err)
	}
	for i, peer := range peers[1:] {
		if err := tls.Client(peer, client).Handshake(); err != nil {
			t.Errorf("peer %d: %v", i+1, err)
		}
	}
}

func TestHandshakesThatHaveEndedTakeNoPlace(t *testing.T) {
	server, _ := config(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newListener(inner, server, 2)
	defer l.Close()
	first, end := l.begin()
	second, _ := l.begin()
	end()
	l.begin()
	if first.Err() == nil || second.Err() != nil {
		t.Errorf("the first: %v; the second: %v", first.Err(), second.Err())
	}
	l.begin()
	if second.Err() == nil {
		t.Error("the oldest has not made room")
	}
}
