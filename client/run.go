// The life of a client: one attempt after the other, over the transport that the chooser has chosen.

package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// run connects, again and again, until Close or until the server does not want the client any more.
func (c *Client) run() {
	defer close(c.ended)
	if c.invalid != nil {
		c.close(c.invalid)
		return
	}
	wait := Backoff{Min: c.options.MinBackoff, Max: c.options.MaxBackoff}
	welcome := false // it has been open
	for {
		l, err := c.connect()
		if err == nil {
			welcome = true
			err = c.use(l, &wait)
		}
		if c.ctx.Err() != nil {
			c.close(ErrClosed)
			return
		}
		if c.unwanted(err, welcome) {
			c.close(err)
			return
		}
		var pause time.Duration
		if !errors.Is(err, errBetter) {
			pause = wait.Next(comeBack(err))
		}
		c.to(Waiting, nil, err, pause)
		if !c.pause(pause, &wait, comeBack(err) > 0) {
			c.close(ErrClosed)
			return
		}
		c.to(Connecting, nil, err, 0)
	}
}

// connect opens a connection over the best transport over which something passes.
func (c *Client) connect() (*link, error) {
	failed := &attemptError{}
	for {
		t := c.chooser.current()
		l, err := c.newLink(c.ctx, t, true)
		if err == nil {
			c.chooser.worked()
			c.tokens.accepted()
			return l, nil
		}
		c.disown()
		failed.errs = slices.Insert(failed.errs, 0, fmt.Errorf("%s: %w", t.name, err))
		_, unprepared := errors.AsType[*unpreparedError](err)
		if c.ctx.Err() == nil && !unprepared && c.chooser.failed(err) {
			continue
		}
		if len(failed.errs) == 1 {
			return nil, err
		}
		return nil, failed
	}
}

// use has the link be the client's connection until its end, and returns why it has ended.
func (c *Client) use(l *link, wait *Backoff) error {
	c.to(Open, l, nil, 0)
	opened := time.Now()
	err := l.serve(l.beat, l.renew, l.seekBetter)
	wait.Opened(time.Since(opened))
	if l.woken {
		wait.Reset()
	}
	switch {
	case errors.Is(err, errBetter):
		c.chooser.forget()
	case errors.Is(err, ErrSilent):
		c.chooser.doubt()
	}
	return err
}

// unwanted tells whether it makes no sense to come back.
func (c *Client) unwanted(err error, welcome bool) bool {
	code := codeOf(err)
	if c.options.Token != nil && (code == "unauthorized" || code == "token_expired") {
		return !c.tokens.refused()
	}
	return final(err, welcome)
}

// pause waits until the next attempt is due, and reports false if the client was closed meanwhile. asked tells that the server has
// said when that is, which Wake does not change.
func (c *Client) pause(d time.Duration, wait *Backoff, asked bool) bool {
	due := time.NewTimer(d)
	defer due.Stop()
	for {
		select {
		case <-due.C:
			return true
		case <-c.ctx.Done():
			return false
		case <-c.wake:
			wait.Reset()
			if !asked {
				return true
			}
		}
	}
}

// route is how to get to the server, with a token that is good.
func (c *Client) route(ctx context.Context) (*route, error) {
	to := &route{address: c.address, dial: c.options.Dial}
	to.dial.Header = authorized(to.dial.Header, "")
	if c.options.Prepare != nil {
		if err := c.options.Prepare(ctx, &to.dial); err != nil {
			return nil, err
		}
	}
	token, err := c.tokens.current(ctx)
	if err != nil {
		return nil, err
	}
	to.dial.Header = authorized(to.dial.Header, token)
	return to, nil
}

// entrust has the link ask for all subscriptions; from here on, who subscribes asks by itself.
func (c *Client) entrust(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.subs)) {
		if s := c.subs[name]; !s.forced {
			l.subscribe(s)
		}
	}
	c.line = l
}

// disown is for a link that was never open.
func (c *Client) disown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line = nil
}
