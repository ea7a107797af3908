//go:build linux

package servers

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestARedisForgetsOrKeepsWhenItIsKilled(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{false, true} {
		r := StartRedis(t, RedisOptions{Durable: durable})
		r.Do("SET k v")
		r.Kill()
		if _, err := r.ask("PING"); err == nil {
			t.Error("a killed server answers")
		}
		r.Start()
		if kept := r.Do("GET k") == "v"; kept != durable {
			t.Errorf("durable %v: kept %v", durable, kept)
		}
		r.Do("SET k v")
		r.Flush()
		if answer := r.Do("GET k"); answer != "$-1" {
			t.Errorf("flushed, it holds %q", answer)
		}
	}
}

func TestAFrozenRedisAnswersOnceItIsThawed(t *testing.T) {
	t.Parallel()
	r := StartRedis(t, RedisOptions{})
	r.Freeze()
	answered := make(chan error, 1)
	go func() { answered <- r.ping() }()
	select {
	case err := <-answered:
		t.Errorf("a frozen server has answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	r.Thaw()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestAClusterAndSentinelsComeUp(t *testing.T) {
	t.Parallel()
	c := StartRedisCluster(t, 3)
	if answer, err := c[2].ask("SET {a}k v"); err != nil || answer != "+OK" && !strings.HasPrefix(answer, "-MOVED") {
		t.Errorf("%q, %v", answer, err)
	}
	s := StartSentinels(t)
	s.Servers[0].Kill()
	s.AwaitMaster(s.Servers[1])
	s.Servers[1].Do("SET k v")
}

func TestASecureRedisKnowsItsUser(t *testing.T) {
	t.Parallel()
	s := StartSecureRedis(t, "~a* +get +set +ping")
	s.auth = s.User + " " + s.Password
	if answer, err := s.ask("SET a v"); err != nil || answer != "+OK" {
		t.Errorf("%q, %v", answer, err)
	}
	if answer, err := s.ask("SET b v"); err != nil || !strings.HasPrefix(answer, "-NOPERM") {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestALinkIsCutStalledAndMended(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	l := NewLink(t, echo.Addr().String())
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	say := func(c net.Conn) error {
		c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	c := dial()
	if err := say(c); err != nil {
		t.Fatal(err)
	}
	l.Cut()
	if err := say(c); err == nil {
		t.Error("a connection outlives the cut")
	}
	if c, err := net.Dial("tcp", l.Addr); err == nil { // it may be cut before Dial returns, or after
		if err := say(c); err == nil {
			t.Error("a cut link carries")
		}
		c.Close()
	}
	l.Mend()
	c = dial()
	if err := say(c); err != nil {
		t.Fatal(err)
	}
	l.Stall()
	said := make(chan error, 1)
	go func() { said <- say(c) }()
	select {
	case err := <-said:
		t.Errorf("a stalled link has carried: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	l.Mend()
	if err := <-said; err != nil {
		t.Error(err)
	}
}

func TestARabbitMQKeepsItsMapperAndDataThroughAKill(t *testing.T) {
	t.Parallel()
	r := StartRabbitMQ(t)
	r.Do(`rabbit_vhost:add(<<"kept">>, <<"test">>)`)
	r.Settle()
	r.Kill()
	if err := r.greet(); err == nil {
		t.Error("a killed server answers")
	}
	r.Start()
	r.Do(`rabbit:await_startup(node())`)
	if got := r.Do(`rabbit_vhost:exists(<<"kept">>)`); got != "true" {
		t.Errorf("after a kill it is said to have the virtual host: %s", got)
	}
}

func TestAFreeAddressIsForWhoeverAskedForIt(t *testing.T) {
	t.Parallel()
	address := FreeAddress(t)
	for range 3 { // again and again
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := net.Listen("tcp", address); err == nil {
			again.Close()
			t.Error("two listen at one address")
		}
		l.Close()
	}
}
