// What a link does beside hearing and saying: its heartbeat, which notices when nothing passes any more, the renewal of the token, and the
// look for a better transport.

package client

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Heartbeat says how soon a dead connection is noticed, over whatever transport.
type Heartbeat struct {
	// Interval is the silence after which the server is asked for a sign of life. 0 means 10 s.
	Interval time.Duration
	// Timeout is how long it may take to give one. 0 means 5 s.
	Timeout time.Duration
}

func (h Heartbeat) withDefaults() Heartbeat {
	return Heartbeat{cmp.Or(max(0, h.Interval), 10*time.Second), cmp.Or(max(0, h.Timeout), 5*time.Second)}
}

const (
	lookTimeout = 3 * time.Second // for a sign of life when there is reason to doubt
	late        = 2 * time.Second // by which a timer is late only if the machine or the process slept
)

var (
	// ErrSilent is the end of a connection over which nothing passes, though nobody has closed it. See [Change].
	ErrSilent = errors.New("client: the connection is silent")

	errBetter = errors.New("client: a better transport passes what it should")
)

var ping = newCommand("ping").end()

// alive notes a sign of life.
func (l *link) alive() {
	l.heardAt.Store(int64(time.Since(l.began)))
	l.signs.Add(1)
}

// silence is how long there has been none.
func (l *link) silence() time.Duration {
	return time.Since(l.began) - time.Duration(l.heardAt.Load())
}

// beat asks for a sign of life after each silence, and when the program has reason to doubt.
func (l *link) beat() {
	h := l.client.options.Heartbeat
	for {
		timeout := h.Timeout
		select {
		case <-time.After(h.Interval - l.silence()):
			if l.silence() < h.Interval {
				continue
			}
		case <-l.client.wake:
			l.woken = true
			timeout = min(timeout, lookTimeout)
		case <-l.dead:
			return
		}
		for timeout > 0 {
			timeout = l.answers(timeout)
		}
	}
}

// answers asks the server for a sign of life, and ends the link if there is none within a time. It returns how long to wait when it must
// be asked again, or 0.
func (l *link) answers(timeout time.Duration) time.Duration {
	asked, before := time.Now(), l.signs.Load()
	l.say(ping)
	select {
	case <-time.After(timeout):
	case <-l.client.wake:
		l.woken = true
		return min(timeout, lookTimeout)
	case <-l.dead:
		return 0
	}
	if l.busy.Load() || l.signs.Load() != before {
		return 0 // this side does not listen now, or there was one
	}
	if time.Since(asked) > timeout+late {
		return timeout // this side has slept, and an answer may have come and not been heard
	}
	l.abort(fmt.Errorf("%w: the server gave no sign of life for %v", ErrSilent, timeout))
	return 0
}

// renew shows the server a new token before the old one ends, so that the session goes on.
func (l *link) renew() {
	tokens := &l.client.tokens
	for {
		in, known := tokens.dueIn()
		if !known {
			return
		}
		select {
		case <-time.After(in):
		case <-l.dead:
			return
		}
		token, err := tokens.renew(l.ctx)
		if err != nil {
			return // at the end of the old one there is another attempt
		}
		l.say(newCommand("authenticate").text("token", token).end())
	}
}

// seekBetter tries the best transport beside this one now and then, and ends the link when it works.
func (l *link) seekBetter() {
	chooser := l.client.chooser
	for chooser.settles() {
		select {
		case <-time.After(time.Until(chooser.again)):
		case <-l.dead:
			return
		}
		better, err := l.client.newLink(l.ctx, chooser.all[0], false)
		if err == nil {
			better.wire.close()
			better.end(nil)
			l.abort(errBetter)
			return
		}
		chooser.later()
	}
}
