// What nodes have to do with each other: the registry, messages, the small store, and what becomes of the members of a dead node.

package brokertest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// clusterTests are run with brokers that implement [hub.Cluster].
var clusterTests = []test{
	{"every node has a name of its own, and the registry knows all that live", registryKnowsAll},
	{"what a node announces is told by the registry", registryTells},
	{"a message comes to the node it is for, or to all others, in order", messagesArrive},
	{"a value is taken once, within its time", valuesAreTaken},
	{"a member that comes back on another node stays when the first lets it leave", membersMove},
	{"members of a node that dies leave, and their channels are told", deadMembersLeave},
}

func (n *node) cluster() hub.Cluster {
	n.c.Helper()
	between, ok := n.Broker.(hub.Cluster)
	if !ok {
		n.c.Fatalf("%T does not implement hub.Cluster", n.Broker)
	}
	return between
}

func (n *node) registry() []hub.Node {
	n.c.Helper()
	nodes, err := n.cluster().Nodes(n.c.Context())
	if err != nil {
		n.c.Fatalf("the registry: %v", err)
	}
	return nodes
}

func names(nodes []hub.Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return strings.Join(all, " ")
}

func registryKnowsAll(c *cluster) {
	nodes := append(c.nodes(), c.start())
	var all []string
	for _, n := range nodes {
		name := n.cluster().Node()
		if name == "" || len(name) > hub.MaxNodeName || slices.Contains(all, name) {
			c.Errorf("a node is called %q beside %q", name, all)
		}
		all = append(all, name)
	}
	slices.Sort(all)
	for _, n := range nodes {
		c.eventually(func() bool { return names(n.registry()) == strings.Join(all, " ") }, "the registry holds %q", all)
	}
	gone := nodes[0].cluster().Node()
	nodes[0].Close()
	all = slices.DeleteFunc(all, func(name string) bool { return name == gone })
	c.eventually(func() bool { return names(nodes[1].registry()) == strings.Join(all, " ") }, "the registry holds %q", all)
}

func registryTells(c *cluster) {
	nodes := c.nodes()
	for i, info := range []string{"first", "second"} {
		nodes[0].cluster().Announce([]byte(info))
		for _, n := range nodes {
			c.eventually(func() bool {
				all := n.registry()
				at := slices.IndexFunc(all, func(n hub.Node) bool { return n.Name == nodes[0].cluster().Node() })
				return at >= 0 && string(all[at].Info) == info && !all[at].Heard.IsZero()
			}, "announcement %d is known", i)
		}
	}
}

func messagesArrive(c *cluster) {
	const count = 100
	nodes := append(c.nodes(), c.start())
	first, second, third := nodes[0], nodes[1], nodes[2]
	// What is told before a node listens may be lost; the first messages are repeated until each has heard one.
	c.eventually(func() bool {
		first.tell("", "hello")
		second.tell("", "hello")
		return len(first.told()) > 0 && len(second.told()) > 0 && len(third.told()) > 0
	}, "every node hears the others")
	c.quiet()
	for _, n := range nodes {
		n.forget()
	}
	large := string(bytes.Repeat([]byte{0, 255}, 100_000))
	for i := range count {
		first.tell(second.cluster().Node(), fmt.Sprint("one ", i))
		first.tell("", fmt.Sprint("all ", i))
	}
	first.tell(second.cluster().Node(), large)
	first.tell("nobody", "lost")
	from := first.cluster().Node()
	var one, all []string
	for i := range count {
		one = append(one, from+": "+fmt.Sprint("one ", i))
		all = append(all, from+": "+fmt.Sprint("all ", i))
	}
	one = append(one, from+": "+large)
	c.eventually(func() bool { return len(second.told()) >= 2*count+1 && len(third.told()) >= count }, "all messages have come")
	c.quiet()
	about := func(told []string, word string) []string {
		return slices.DeleteFunc(told, func(text string) bool { return !strings.HasPrefix(text, from+": "+word) })
	}
	for what, lists := range map[string][2][]string{
		"the others":  {about(second.told(), "all"), all},
		"the third":   {third.told(), all},
		"the one":     {slices.DeleteFunc(second.told(), func(text string) bool { return strings.HasPrefix(text, from+": all") }), one},
		"the speaker": {first.told(), nil},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			c.Errorf("told to %s were %d messages, want %d: %.300q", what, len(lists[0]), len(lists[1]), lists[0])
		}
	}
}

func (n *node) tell(to, message string) {
	n.c.Helper()
	if err := n.cluster().Tell(n.c.Context(), to, []byte(message)); err != nil {
		n.c.Fatalf("telling %q: %v", to, err)
	}
}

func valuesAreTaken(c *cluster) {
	nodes := c.nodes()
	keep := func(key, value string, ttl time.Duration) {
		if err := nodes[0].cluster().Keep(c.Context(), key, []byte(value), ttl); err != nil {
			c.Fatalf("keeping %q: %v", key, err)
		}
	}
	keep("short", "x", time.Second)
	for _, value := range []string{"", "a", "\x00\xff", strings.Repeat("large ", 20_000)} {
		keep("key {1}", "before", time.Hour)
		keep("key {1}", value, time.Hour)
		var taken atomic.Int64
		var taking sync.WaitGroup
		for i := range 8 {
			taking.Go(func() {
				got, ok, err := nodes[i%len(nodes)].cluster().Take(c.Context(), "key {1}")
				if err != nil {
					c.Errorf("taking: %v", err)
				}
				if ok {
					taken.Add(1)
					if string(got) != value {
						c.Errorf("%.20q was kept, %.20q was taken", value, got)
					}
				}
			})
		}
		taking.Wait()
		if n := taken.Load(); n != 1 {
			c.Errorf("a value was taken %d times", n)
		}
	}
	time.Sleep(1500 * time.Millisecond)
	if _, ok, err := nodes[0].cluster().Take(c.Context(), "short"); ok || err != nil {
		c.Errorf("a value is taken after its time: %v, %v", ok, err)
	}
}

// deadMembersLeave has a node die without a word: its connections are cut, and stay cut.
// membersMove: a session that is resumed elsewhere keeps its id, and its old node lets it leave only once it has lingered.
func membersMove(c *cluster) {
	nodes := c.nodes()
	here, there := nodes[0], nodes[1]
	there.subscribe("room", kept)
	here.join("room", member("s1", "ann"))
	there.join("room", member("s1", "ann"))
	here.leave("room", member("s1", "ann"))
	here.join("room", member("s2", "bob")) // behind it
	there.awaitEvents("room", 2)
	for _, n := range nodes {
		c.eventually(func() bool { p := n.present("room", 10); return p.Sessions == 2 && p.Users == 2 }, "both are present")
	}
	there.leave("room", member("s1", "ann"))
	c.eventually(func() bool { return here.present("room", 10).Sessions == 1 }, "who leaves where it is has gone")
	if events := there.awaitEvents("room", 3); events[1].Member.User != "bob" || events[2].Joined {
		c.Errorf("told were %+v", events)
	}
}

func deadMembersLeave(c *cluster) {
	if c.harness.Mortal == nil {
		c.Fatal("the harness does not say how a node dies; set Mortal")
	}
	watcher := c.start()
	watcher.subscribe("room", kept)
	mortal, die := c.harness.Mortal(c.T)
	dead := c.startBroker(mortal)
	dead.join("room", member("s1", "ann"))
	dead.join("room", member("s2", "bob"))
	dead.join("room", member("s3", ""))
	watcher.join("room", member("s4", "ann"))
	watcher.awaitEvents("room", 3)
	die()
	events := watcher.awaitEvents("room", 5)
	var gone []string
	for _, e := range events[3:] {
		gone = append(gone, fmt.Sprintf("%v %s", e.Joined, e.Member.Session))
	}
	slices.Sort(gone)
	if got := strings.Join(gone, ", "); got != "false s2, false s3" { // ann is there still
		c.Errorf("after the death of a node the others are told %s", got)
	}
	c.eventually(func() bool { p := watcher.present("room", 10); return p.Sessions == 1 && p.Users == 1 }, "one is left")
	c.eventually(func() bool { return len(watcher.registry()) == 1 }, "the dead node is forgotten")
}
