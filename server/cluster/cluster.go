// Package cluster lets the nodes of a server talk: what one tells all others, and what it asks them. It stands between the hub and a
// broker that connects nodes.
//
//	c := cluster.New(broker, cluster.Options{Log: log})
//	c.Handle("disconnect", func(ctx context.Context, from string, body []byte) ([]byte, error) { … })
//	h, err := hub.New(hub.Options{Broker: c})
//	…
//	answers, missing := c.Ask(ctx, "disconnect", body)
//
// Nothing is certain between nodes: a message may be lost, its receiver may have just died, or be of an earlier version that does not
// know what it is asked. So an answer always comes with the names of the nodes from which there is none.
//
// Everything is bounded: messages, questions under way, and those that are being answered. All methods may be called from any goroutine.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/internal/sparing"
)

// Broker is one that connects nodes.
type Broker interface {
	hub.Broker
	hub.Cluster
}

// Options may be left zero.
type Options struct {
	// Timeout is how long Ask waits, 2 s by default.
	Timeout time.Duration
	// Interrupted, if not nil, is called on a goroutine of its own when this node may have missed what others told, and soon after the start.
	Interrupted func(ctx context.Context)
	// Log is told of what goes wrong; nil means slog.Default.
	Log *slog.Logger
}

// Handler answers what another node asks, or takes what it tells: then the answer goes nowhere. ctx ends when nobody waits any more, or
// the node ends. body belongs to it.
type Handler func(ctx context.Context, from string, body []byte) (answer []byte, err error)

const (
	defaultTimeout = 2 * time.Second
	// answering is how long a handler may take. Who asks may have a shorter patience.
	answering = 30 * time.Second
	// maxAnswering is how many questions are being answered at once; others are told that the node is busy.
	maxAnswering = 256
	// maxLong is how many of those there are that are answered in parts, which may take long.
	maxLong = 1024
)

// handler is a Handler, or a PartsHandler.
type handler struct {
	whole Handler
	parts PartsHandler
}

// Cluster is a node among others. Make one with New, and give it to a hub as its broker.
type Cluster struct {
	Broker
	options  Options
	log      *slog.Logger
	handlers map[string]handler // not changed once started
	busy     chan struct{}      // holds one for each question that is being answered
	long     chan struct{}      // the same, of those that are answered in parts
	doubts   chan struct{}      // holds one when something may have been missed
	tales    chan told          // what others have told
	lines    sparing.Lines      // of the log
	names    sparing.Lines      // of the log, about namesakes
	self     self

	ctx     context.Context // over when the node is
	cancel  context.CancelFunc
	working sync.WaitGroup

	mu      sync.Mutex // guards what follows
	closing bool
	last    uint64 // the id of the last question
	asked   map[uint64]*question

	namesake time.Time // when another node with this one's name was last heard
	later    bool      // it was there before this one
}

// Answer is what one node has answered.
type Answer struct {
	Node string
	Body []byte
	Err  error // why there is no body: [ErrUnknown], [ErrBusy], or an error of its handler
}

// Why a node has not answered although it lives.
var (
	ErrUnknown = errors.New("the node does not know the question; it is of another version")
	ErrBusy    = errors.New("the node is answering as many questions as it may")
)

// New returns a node over a broker, which the hub starts and closes through it.
func New(b Broker, o Options) *Cluster {
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	c := &Cluster{Broker: b, options: o, log: cmp.Or(o.Log, slog.Default()), handlers: make(map[string]handler), asked: make(map[uint64]*question),
		last: rand.Uint64() >> 1, // what is late for an earlier run of this node is no answer for this one
		self: newSelf(), busy: make(chan struct{}, maxAnswering), long: make(chan struct{}, maxLong), doubts: make(chan struct{}, 1), tales: make(chan told, maxTold)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Handle has a kind of message handled. It is called before the hub is made.
func (c *Cluster) Handle(kind string, h Handler) { c.handlers[kind] = handler{whole: h} }

// Start implements [hub.Broker].
func (c *Cluster) Start(sink hub.Sink) error {
	if err := c.Broker.Start(ear{sink, c}); err != nil {
		return err
	}
	c.working.Go(c.hear)
	c.working.Go(c.claimName)
	if c.options.Interrupted != nil {
		c.doubt()
		c.working.Go(c.lookAgain)
	}
	return nil
}

// Close implements [hub.Broker].
func (c *Cluster) Close() error {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.cancel()
	c.working.Wait()
	return c.Broker.Close()
}

// lookAgain calls Interrupted, one call at a time.
func (c *Cluster) lookAgain() {
	for {
		select {
		case <-c.doubts:
			c.options.Interrupted(c.ctx)
		case <-c.ctx.Done():
			return
		}
	}
}

// doubt has Interrupted called, once for many reasons.
func (c *Cluster) doubt() {
	if c.options.Interrupted == nil {
		return
	}
	select {
	case c.doubts <- struct{}{}:
	default:
	}
}

// work runs f on a goroutine that Close waits for, or not at all once it was called.
func (c *Cluster) work(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	c.working.Go(f)
	return true
}

// Send tells a node, or all others if it is "", something to which there is no answer.
func (c *Cluster) Send(ctx context.Context, node, kind string, body []byte) error {
	return c.send(ctx, node, message{act: telling, kind: kind, body: body})
}

func (c *Cluster) send(ctx context.Context, node string, m message) error {
	text, err := m.append(nil)
	if err != nil {
		return err
	}
	return c.Broker.Tell(ctx, node, text)
}

// Ask puts a question to all other nodes that are known to live, and waits for their answers until ctx ends, at most Options.Timeout.
// What has come is sorted by node; missing are those from which there is no answer, or an error. A broker that cannot be reached has
// one name missing, "*": nobody knows which nodes there are. If another node has this one's name, that is missing, too.
func (c *Cluster) Ask(ctx context.Context, kind string, body []byte) (answers []Answer, missing []string) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	names, err := c.Others(ctx)
	if err != nil {
		c.complain("asking who the other nodes are", err)
		return nil, []string{Unknown}
	}
	if there, _ := c.Namesake(); there {
		missing = append(missing, c.Node())
	}
	if len(names) == 0 {
		return nil, missing
	}
	for _, a := range c.put(ctx, "", names, kind, body) {
		if a.Err == nil {
			answers = append(answers, a)
			continue
		}
		c.complain("asking "+a.Node+" for "+kind, a.Err)
		missing = append(missing, a.Node)
	}
	slices.Sort(missing)
	return answers, missing
}

// Unknown is the name of nodes that may be there.
const Unknown = "*"

// AskOne puts a question to one node. The error is ctx's if no answer comes in time, at most Options.Timeout.
func (c *Cluster) AskOne(ctx context.Context, node, kind string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	a := c.put(ctx, node, []string{node}, kind, body)[0]
	return a.Body, a.Err
}

// Others are the names of the other nodes that live, sorted.
func (c *Cluster) Others(ctx context.Context) (names []string, err error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if n.Name != c.Node() {
			names = append(names, n.Name)
		}
	}
	return names, nil
}

// complain tells the log that something between nodes went wrong, now and then.
func (c *Cluster) complain(what string, err error) {
	if unlogged, due := c.lines.Due(); due && c.ctx.Err() == nil {
		c.log.Warn("the nodes do not all hear each other", "while", what, "cause", err, "unlogged", unlogged)
	}
}

// PublishSeries implements [hub.Series], as far as the broker does.
func (c *Cluster) PublishSeries(ctx context.Context, all []*hub.Publication, s hub.Storing) ([]hub.Published, error) {
	return hub.PublishSeries(ctx, c.Broker, all, s)
}
