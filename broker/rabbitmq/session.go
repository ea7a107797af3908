// A session: two connections, one that writes the logs and one that reads them, because RabbitMQ does not read at all from a connection that
// publishes while it is short of memory. A session lasts until anything of it fails; the next one goes on where it ended.

package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

const (
	// prefetch is how many records of a log may be on their way to this node.
	prefetch = 500
	// firstPause is the longest first pause before a session is begun again. It doubles up to Options.MaxPause.
	firstPause = 50 * time.Millisecond
	// maxInbox bounds the queue of what other nodes say to this one, in bytes. Beyond it the oldest is dropped.
	maxInbox = 256 << 20
	// everybody is the routing key of what is told to all nodes; no node's name has a control character.
	everybody = "\x00"
)

// session is a pair of connections. Its goroutines end once gone is closed, and run waits for them.
type session struct {
	broker  *Broker
	sockets []net.Conn
	out, in *amqp.Connection
	control *amqp.Channel // what is told to other nodes; confirms
	writing []*amqp.Channel
	inbox   <-chan amqp.Delivery
	gone    chan struct{}
	working sync.WaitGroup
	failure sync.Once
	cause   error // set once gone is closed
}

// fail ends the session.
func (s *session) fail(err error) {
	s.failure.Do(func() {
		s.cause = err
		s.broker.learn(err)
		close(s.gone)
		for _, c := range s.sockets {
			c.Close()
		}
	})
}

// connect makes a session that does not run yet, with one of the servers.
func (b *Broker) connect() (*session, error) {
	var errs []error
	for _, i := range rand.Perm(len(b.servers)) {
		s := &session{broker: b, gone: make(chan struct{})}
		err := s.open(b.servers[i])
		if err == nil {
			return s, nil
		}
		s.fail(err)
		s.working.Wait()
		errs = append(errs, fmt.Errorf("rabbitmq: %s: %w", b.servers[i].Address, err))
	}
	return nil, errors.Join(errs...)
}

// learn notes how much RabbitMQ takes, if that is why it has ended a channel.
func (b *Broker) learn(err error) {
	refusal, ok := errors.AsType[*amqp.Error](err)
	if !ok || refusal.Code != amqp.PreconditionFailed {
		return
	}
	_, rest, _ := strings.Cut(refusal.Reason, "max size ")
	digits, _, _ := strings.Cut(rest, " ")
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n > 0 {
		b.most.Store(n)
	}
}

// tooLarge is an error if RabbitMQ is known not to take so many bytes.
func (b *Broker) tooLarge(size int64) error {
	if most := b.most.Load(); most > 0 && size > most {
		return hub.Errorf(hub.TooLarge, "a message of %d bytes is larger than RabbitMQ takes, which is %d; send less, or raise its max_message_size and start the nodes anew",
			size, most)
	}
	return nil
}

func (s *session) open(server Server) (err error) {
	limit := time.AfterFunc(4*s.broker.options.Timeout, func() { s.fail(errors.New("it does not answer in time")) })
	defer limit.Stop()
	if s.out, err = s.dial(server, "out"); err != nil {
		return err
	}
	if s.in, err = s.dial(server, "in"); err != nil {
		return err
	}
	if s.control, err = s.channel(s.out); err != nil {
		return err
	}
	if err := s.control.Confirm(false); err != nil {
		return err
	}
	if err := s.declare(); err != nil {
		return fmt.Errorf("it does not do what is asked; see what docs/brokers.md says the user must be allowed: %w", err)
	}
	for range partitions {
		ch, err := s.channel(s.out)
		if err != nil {
			return err
		}
		s.writing = append(s.writing, ch)
	}
	return s.listen()
}

// dial makes one connection.
func (s *session) dial(server Server, purpose string) (*amqp.Connection, error) {
	o := &s.broker.options
	dialer := &net.Dialer{Timeout: o.Timeout, KeepAlive: time.Second}
	socket, err := dialer.DialContext(s.broker.ctx, "tcp", server.Address)
	if err != nil {
		return nil, err
	}
	s.sockets = append(s.sockets, socket)
	socket.SetDeadline(time.Now().Add(2 * o.Timeout)) // lifted once the handshake is done
	conn := socket
	if server.Secure {
		conn = tls.Client(socket, tlsFor(o.TLS, server))
	}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("ringdown-" + o.Node + "-" + purpose)
	return amqp.Open(conn, amqp.Config{
		SASL:       []amqp.Authentication{&amqp.PlainAuth{Username: server.User, Password: server.Password}},
		Vhost:      server.VHost,
		Heartbeat:  min(max(time.Second, o.Timeout/3), time.Minute),
		FrameSize:  128 << 10,
		Locale:     "en_US",
		Properties: properties,
	})
}

// tlsFor is the configuration for a server over TLS.
func tlsFor(given *tls.Config, server Server) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if given != nil {
		c = given.Clone()
	}
	if host, _, err := net.SplitHostPort(server.Address); err == nil && c.ServerName == "" {
		c.ServerName = host
	}
	c.InsecureSkipVerify = c.InsecureSkipVerify || server.InsecureSkipVerify
	return c
}

// channel opens a channel whose end is the session's.
func (s *session) channel(c *amqp.Connection) (*amqp.Channel, error) {
	ch, err := c.Channel()
	if err != nil {
		return nil, err
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	s.working.Go(func() {
		select {
		case err := <-closed:
			if err == nil {
				s.fail(errors.New("the connection has ended"))
				return
			}
			s.fail(err)
		case <-s.gone:
		}
	})
	return ch, nil
}

// Names on the server.
func (b *Broker) logName(i int) string    { return b.options.Prefix + ".log." + strconv.Itoa(i) }
func (b *Broker) logExchange() string     { return b.options.Prefix + ".log" }
func (b *Broker) controlExchange() string { return b.options.Prefix + ".nodes" }

// declare makes the logs and exchanges, unless they are there.
func (s *session) declare() error {
	b := s.broker
	for _, name := range []string{b.logExchange(), b.controlExchange()} {
		if err := s.control.ExchangeDeclare(name, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
			return err
		}
	}
	for i := range partitions {
		_, err := s.control.QueueDeclare(b.logName(i), true, false, false, false, amqp.Table{
			"x-queue-type":                    "stream",
			"x-max-length-bytes":              int64(b.options.LogBytes),
			"x-stream-max-segment-size-bytes": int64(b.options.LogBytes / 8),
		})
		if refusal, ok := errors.AsType[*amqp.Error](err); ok && refusal.Code == amqp.PreconditionFailed {
			return fmt.Errorf("the queue %s is there with another size or type; use the LogBytes it was made with, another prefix, or delete it: %w", b.logName(i), err)
		}
		if err == nil {
			err = s.control.QueueBind(b.logName(i), strconv.Itoa(i), b.logExchange(), false, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listen begins to take what other nodes say.
func (s *session) listen() error {
	b := s.broker
	ch, err := s.channel(s.in)
	if err != nil {
		return err
	}
	// A name of its own for each session: the server may not have noticed yet that the one before has ended.
	name := b.options.Prefix + ".node." + b.owner + "." + hub.NewEpoch()
	if _, err := ch.QueueDeclare(name, false, true, true, false, amqp.Table{"x-max-length-bytes": int64(maxInbox)}); err != nil {
		return err
	}
	for _, key := range []string{b.options.Node, everybody} {
		if err := ch.QueueBind(name, key, b.controlExchange(), false, nil); err != nil {
			return err
		}
	}
	s.inbox, err = ch.Consume(name, "", true, true, false, false, nil)
	return err
}

// run carries on until the session fails or the broker is closed.
func (s *session) run() error {
	b := s.broker
	blocked := s.out.NotifyBlocked(make(chan amqp.Blocking, 4))
	s.working.Go(func() { s.watch(blocked) })
	s.working.Go(s.hear)
	for _, p := range b.partitions {
		from, known := p.begin() // before anything is written
		s.working.Go(func() {
			if err := s.follow(p, from, known); err != nil {
				s.fail(err)
			}
		})
		s.working.Go(func() { s.write(p) })
	}
	select {
	case <-s.gone:
	case <-b.ctx.Done():
		s.fail(b.ctx.Err())
	}
	s.working.Wait()
	for _, p := range b.partitions {
		p.end()
	}
	b.blocked.Store(false)
	return s.cause
}

// watch notes when RabbitMQ takes nothing.
func (s *session) watch(blocked <-chan amqp.Blocking) {
	for {
		select {
		case now, ok := <-blocked:
			if !ok {
				return
			}
			s.broker.blocked.Store(now.Active)
			if now.Active {
				s.broker.options.Log.Error("rabbitmq: nothing is taken any more", "cause", now.Reason)
			}
		case <-s.gone:
			return
		}
	}
}

// hear hands on what other nodes say.
func (s *session) hear() {
	to, ok := s.broker.sink.(hub.ClusterSink)
	if s.broker.heard.Swap(true) && ok { // by an earlier session, and nothing since
		to.Unheard()
	}
	for d := range s.inbox {
		from, body, err := wire.DecodeMessage(d.Body)
		switch {
		case err != nil:
			s.broker.unreadable(err)
		case !ok || d.RoutingKey == everybody && from == s.broker.options.Node:
		default:
			to.Told(from, body)
		}
	}
}

// write writes what is queued for a log.
func (s *session) write(p *partition) {
	ch, key := s.writing[p.index], strconv.Itoa(p.index)
	for {
		for _, body := range p.take() {
			m := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body}
			if err := ch.PublishWithContext(context.Background(), s.broker.logExchange(), key, false, false, m); err != nil {
				s.fail(err)
				return
			}
		}
		select {
		case <-p.wake:
		case <-s.gone:
			return
		}
	}
}

// follow reads a log, from a position if that is known.
func (s *session) follow(p *partition, from uint64, known bool) error {
	ch, err := s.channel(s.in)
	if err != nil {
		return err
	}
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return err
	}
	offset := amqp.Table{"x-stream-offset": "first"}
	if known {
		offset["x-stream-offset"] = int64(from)
	}
	deliveries, err := ch.Consume(s.broker.logName(p.index), "", false, false, false, false, offset)
	if err != nil {
		return err
	}
	suspicion := time.AfterFunc(3*s.broker.options.Timeout, func() {
		if p.doubt() {
			s.fail(errReplay)
		}
	})
	defer suspicion.Stop()
	unacknowledged := 0
	for d := range deliveries {
		at, ok := d.Headers["x-stream-offset"].(int64)
		if !ok || at < 0 {
			return fmt.Errorf("%s is not a stream; delete it, or use another prefix", s.broker.logName(p.index))
		}
		if err := p.read(uint64(at), d.Body); err != nil {
			return err
		}
		if unacknowledged++; unacknowledged >= prefetch/4 {
			unacknowledged = 0
			if err := d.Ack(true); err != nil {
				return err
			}
		}
	}
	return errors.New("the server has ended the reading of a log")
}
