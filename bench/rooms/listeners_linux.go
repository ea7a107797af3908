package rooms

// This file: subscribers in a process of their own, because a process may open only so many sockets. It tells when each has read a
// publication, on the clock that all processes of a machine share.
//
// On its standard output it says, in one byte, what comes: j once all have joined; h, a number and a time for each subscriber
// once all have heard the publication of that number. It ends when its input does.

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	saysJoined = 'j'
	saysHeard  = 'h'
)

// monotonic is the time on the clock that all processes share.
func monotonic() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0 // which Linux does not do
	}
	return time.Duration(now.Nano())
}

// Listen has so many subscribers join at a node, and is their life.
func Listen(input io.Reader, output io.Writer, address string, count int) error {
	node, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	c, err := newCrowd(node, &ringdownRaw.Protocol)
	if err != nil {
		return err
	}
	defer c.close()
	l := &listeners{started: monotonic() - c.now(), crowd: c, count: count, output: bufio.NewWriter(output), waiting: map[int][]time.Duration{}}
	c.heard = l.heard
	if err := c.join(count); err != nil {
		return err
	}
	if err := l.say(saysJoined); err != nil {
		return err
	}
	var over atomic.Bool
	go func() { // ends with the input
		_, _ = io.Copy(io.Discard, input)
		over.Store(true)
	}()
	const look = 200 * time.Millisecond // at whether it is over
	for !over.Load() {
		if err := c.turn(look); err != nil {
			return err
		}
	}
	return nil
}

type listeners struct {
	crowd   *crowd
	started time.Duration // of the crowd's clock, on that of all processes
	count   int
	waiting map[int][]time.Duration // when those heard a publication that have; gone once all have
	output  *bufio.Writer
}

func (l *listeners) heard(_ *session, n int) error {
	times := l.waiting[n]
	if times == nil {
		times = make([]time.Duration, 0, l.count)
	}
	times = append(times, l.started+l.crowd.now())
	l.waiting[n] = times
	if len(times) < l.count {
		return nil
	}
	delete(l.waiting, n)
	return l.say(saysHeard, append([]time.Duration{time.Duration(n)}, times...)...)
}

func (l *listeners) say(what byte, numbers ...time.Duration) error {
	l.output.WriteByte(what) // its error comes with Flush
	if err := binary.Write(l.output, binary.LittleEndian, numbers); err != nil {
		return err
	}
	return l.output.Flush()
}

// hearing is what a process of listeners says.
type hearing struct {
	joined bool
	number int
	times  []time.Duration
}

// nextHearing reads one from a process of so many.
func nextHearing(in io.Reader, count int) (h hearing, err error) {
	var what [1]byte
	if _, err := io.ReadFull(in, what[:]); err != nil {
		return h, err
	}
	switch what[0] {
	case saysJoined:
		return hearing{joined: true}, nil
	case saysHeard:
		all := make([]time.Duration, 1+count)
		if err := binary.Read(in, binary.LittleEndian, all); err != nil {
			return h, err
		}
		return hearing{number: int(all[0]), times: all[1:]}, nil
	default:
		return h, fmt.Errorf("a process of subscribers said %q", what)
	}
}
