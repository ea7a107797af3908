// Package brokertest is the contract of [hub.Broker] as a test suite, which every broker passes:
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, brokertest.Harness{
//			Cluster: func(*testing.T, time.Duration) func() hub.Broker {
//				return func() hub.Broker { return memory.New(memory.Options{}) }
//			},
//			Single:  true,
//			Virtual: true,
//		})
//	}
//
// A broker beyond a network is given a server of its own or, cheaper, a prefix of its own in a shared one, and runs all tests
// with two nodes. If it implements [hub.Cluster], the harness says how a node dies, and that is tested too. [RunFaults] tests what becomes of
// publications when the network, or the server that all ride on, stumbles.
package brokertest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Harness says how to come by the brokers that are tested.
type Harness struct {
	// Cluster begins a cluster in which nothing has been published, and returns what makes a node of it: a broker that is not
	// started yet, called from any goroutine. The suite starts and closes it. What the cluster itself needs is cleaned up with t.Cleanup.
	// Several clusters are in use at once. A node that has not been heard of for expiry is dead to the others; it is long in tests in which
	// nobody dies, so that no machine is too slow for them.
	Cluster func(t *testing.T, expiry time.Duration) (node func() hub.Broker)

	// Single is set if a cluster has one node only.
	Single bool

	// Virtual runs the tests in bubbles of [testing/synctest], for a broker without a network. The others wait for real: a few
	// seconds where something is to expire.
	Virtual bool

	// Quiet is how long nothing must come until the suite believes that nothing will. Leave it zero if what a call causes is
	// told to the sink before it returns.
	Quiet time.Duration

	// Mortal makes a node of the cluster that Cluster began last, and what has it die without a word: nothing that it says arrives any
	// more. It is needed for a broker that implements [hub.Cluster].
	Mortal func(t *testing.T) (node hub.Broker, die func())
}

// patience is how long the suite waits for what must come.
const patience = 2 * time.Minute

// What a node is given before it is held for dead: in tests in which none dies, and in those in which one does.
const longExpiry, shortExpiry = 30 * time.Second, 3 * time.Second

// Run runs all tests as subtests of t.
func Run(t *testing.T, h Harness) {
	for _, tests := range [][]test{orderTests, numberingTests, historyTests, idempotencyTests, presenceTests, closeTests} {
		h.run(t, longExpiry, tests)
	}
	if h.Mortal != nil {
		h.run(t, longExpiry, clusterTests)
		h.run(t, shortExpiry, deathTests)
	}
}

func (h Harness) run(t *testing.T, expiry time.Duration, tests []test) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			run := func(t *testing.T) { test.run(&cluster{T: t, harness: h, node: h.Cluster(t, expiry)}) }
			if !h.Virtual {
				run(t)
				return
			}
			synctest.Test(t, run)
		})
	}
}

// test is one thing that is promised.
type test struct {
	name string // the promise
	run  func(c *cluster)
}

// cluster is what one test is run with.
type cluster struct {
	*testing.T
	harness Harness
	node    func() hub.Broker
}

// node is a started broker and what it has told.
type node struct {
	hub.Broker
	*sink
	c *cluster
}

// start adds a node, which is closed with the test.
func (c *cluster) start() *node {
	c.Helper()
	return c.startBroker(c.node())
}

func (c *cluster) startBroker(b hub.Broker) *node {
	c.Helper()
	n := &node{b, newSink(c), c}
	if err := n.Start(n.sink); err != nil {
		c.Fatalf("starting a node: %v", err)
	}
	c.Cleanup(func() { n.Close() })
	return n
}

// aside has a test that mostly sleeps run beside others, once those have run that do not. It comes first in a test, which must not use
// Harness.Mortal.
func (c *cluster) aside() {
	if !c.harness.Virtual {
		c.Parallel()
	}
}

// nodes starts as many nodes as a test of clusters needs: two, or one where there can be only one.
func (c *cluster) nodes() []*node {
	c.Helper()
	if c.harness.Single {
		return []*node{c.start()}
	}
	return []*node{c.start(), c.start()}
}

// quiet waits until what is on its way has come.
func (c *cluster) quiet() {
	if c.harness.Quiet > 0 {
		time.Sleep(c.harness.Quiet)
	}
}

// longestPause is how long eventually waits at most before it asks again.
const longestPause = 50 * time.Millisecond

// eventually waits until ok, which it asks again and again, more and more seldom.
func (c *cluster) eventually(ok func() bool, format string, values ...any) {
	c.Helper()
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; !ok(); pause = min(2*pause, longestPause) {
		time.Sleep(pause)
		if time.Now().After(deadline) {
			c.Fatalf("still not after %v: %s", patience, fmt.Sprintf(format, values...))
		}
	}
}

// kept is a retention for tests that are not about it.
var kept = hub.Retention{Count: 100, Age: time.Hour}

// say publishes a text without anything being kept of it but what s says.
func (n *node) say(channel, text string, s hub.Storing) (*hub.Publication, hub.Published) {
	n.c.Helper()
	p := &hub.Publication{Channel: channel, Payload: []byte(text)}
	done, err := n.Publish(n.c.Context(), p, s)
	if err != nil {
		n.c.Fatalf("publishing %q in %q: %v", text, channel, err)
	}
	return p, done
}

// sayMany publishes the numbers from 1 to count, and returns where the last one went.
func (n *node) sayMany(channel string, count int, s hub.Storing) (last hub.Published) {
	n.c.Helper()
	for i := range count {
		_, last = n.say(channel, fmt.Sprint(i+1), s)
	}
	return last
}

func (n *node) subscribe(channel string, r hub.Retention) hub.Position {
	n.c.Helper()
	position, err := n.Subscribe(n.c.Context(), channel, r)
	if err != nil {
		n.c.Fatalf("subscribing to %q: %v", channel, err)
	}
	n.expect(channel, position)
	return position
}

func (n *node) history(channel string, q hub.Query) hub.History {
	n.c.Helper()
	history, err := n.History(n.c.Context(), channel, q)
	if err != nil {
		n.c.Fatalf("the history of %q: %v", channel, err)
	}
	return history
}

// texts are the payloads of publications.
func texts(publications []*hub.Publication) []string {
	all := []string{}
	for _, p := range publications {
		all = append(all, string(p.Payload))
	}
	return all
}
