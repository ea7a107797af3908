// Presence: who is there, and who is told.

package brokertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ringdown/ringdown/hub"
)

var presenceTests = []test{
	{"a user comes with the first session and goes with the last", presenceTable},
	{"presence lists members by user and session up to a limit, and always counts", presenceLists},
	{"presence is told to nodes that are subscribed only", presenceSilent},
	{"presence of a channel that nobody is in is empty", presenceEmpty},
	{"concurrent tabs of one user come and go in turn", presenceConcurrent},
}

func member(session, user string) hub.Member {
	return hub.Member{Session: session, User: user, Info: []byte(`{"of":"` + session + `"}`)}
}

func (n *node) join(channel string, m hub.Member) {
	n.c.Helper()
	if err := n.Join(n.c.Context(), channel, m); err != nil {
		n.c.Fatalf("joining %q: %v", channel, err)
	}
}

func (n *node) leave(channel string, m hub.Member) {
	n.c.Helper()
	if err := n.Leave(n.c.Context(), channel, m); err != nil {
		n.c.Fatalf("leaving %q: %v", channel, err)
	}
}

func (n *node) present(channel string, limit int) hub.Presence {
	n.c.Helper()
	p, err := n.Presence(n.c.Context(), channel, limit)
	if err != nil {
		n.c.Fatalf("the presence of %q: %v", channel, err)
	}
	return p
}

func presenceTable(c *cluster) {
	nodes := c.nodes()
	for _, n := range nodes {
		n.subscribe("room", kept)
	}
	var want []string
	joined := make(map[string]*node) // where a session is, which is where it leaves
	for i, step := range []struct {
		join          bool
		session, user string
		event         string // what is told: come or gone, session, sessions, users; "" if nothing
	}{
		{true, "s1", "ann", "+s1 1 1"},
		{true, "s2", "ann", ""}, // another tab
		{true, "s2", "ann", ""}, // again
		{true, "s3", "bob", "+s3 3 2"},
		{true, "s4", "", "+s4 4 3"},
		{true, "s5", "", "+s5 5 4"}, // whoever has no name is somebody else
		{false, "s1", "ann", ""},
		{false, "s1", "ann", ""},
		{false, "s4", "", "-s4 3 3"},
		{false, "s2", "ann", "-s2 2 2"},
		{false, "s2", "ann", ""},
		{true, "s2", "ann", "+s2 3 3"},
		{false, "s9", "zoe", ""}, // was never here
		{false, "s3", "bob", "-s3 2 2"},
		{false, "s2", "ann", "-s2 1 1"},
		{false, "s5", "", "-s5 0 0"},
	} {
		n := nodes[i%len(nodes)]
		if step.join {
			n.join("room", member(step.session, step.user))
			joined[step.session] = n
		} else {
			n = cmp.Or(joined[step.session], n)
			n.leave("room", member(step.session, step.user))
		}
		if step.event != "" {
			want = append(want, step.event)
		}
	}
	for i, n := range nodes {
		var got []string
		for _, e := range n.awaitEvents("room", len(want)) {
			sign := map[bool]string{true: "+", false: "-"}[e.Joined]
			got = append(got, fmt.Sprintf("%s%s %d %d", sign, e.Member.Session, e.Sessions, e.Users))
			if string(e.Member.Info) != `{"of":"`+e.Member.Session+`"}` {
				c.Errorf("the info of %q is told as %q", e.Member.Session, e.Member.Info)
			}
		}
		if !slices.Equal(got, want) {
			c.Errorf("node %d was told\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if p := n.present("room", 10); p.Sessions != 0 || p.Users != 0 || len(p.Members) != 0 {
			c.Errorf("node %d: all have gone, but %+v is left", i, p)
		}
	}
}

func presenceLists(c *cluster) {
	nodes := c.nodes()
	for i, m := range []hub.Member{member("s4", "bob"), member("s3", "ann"), member("s9", ""), member("s1", "ann"), member("s0", "")} {
		nodes[i%len(nodes)].join("room", m)
	}
	nodes[0].join("other", member("s3", "ann"))
	for _, n := range nodes {
		for limit, want := range map[int]string{0: "", 1: "/s0", 3: "/s0 /s9 ann/s1", 5: "/s0 /s9 ann/s1 ann/s3 bob/s4", 100: "/s0 /s9 ann/s1 ann/s3 bob/s4"} {
			p := n.present("room", limit)
			var names []string
			for _, m := range p.Members {
				names = append(names, m.User+"/"+m.Session)
				if string(m.Info) != `{"of":"`+m.Session+`"}` {
					c.Errorf("the info of %q is %q", m.Session, m.Info)
				}
			}
			if got := strings.Join(names, " "); got != want || p.Sessions != 5 || p.Users != 4 {
				c.Errorf("limit %d: %q of %d sessions, %d users; want %q of 5, 4", limit, got, p.Sessions, p.Users, want)
			}
		}
	}
}

func presenceSilent(c *cluster) {
	n := c.start()
	n.join("room", member("s1", "ann")) // before anybody listens
	n.subscribe("room", hub.Retention{})
	n.join("room", member("s2", "bob"))
	n.awaitEvents("room", 1)
	n.Unsubscribe("room")
	c.quiet()
	n.leave("room", member("s1", "ann"))
	c.quiet()
	if got := n.events("room"); len(got) != 1 || !got[0].Joined || got[0].Member.Session != "s2" || got[0].Users != 2 {
		c.Errorf("told were %+v", got)
	}
	if p := n.present("room", 10); p.Sessions != 1 || p.Users != 1 {
		c.Errorf("%+v, want one of two left", p)
	}
}

func presenceEmpty(c *cluster) {
	n := c.start()
	n.leave("room", member("s1", "ann"))
	if p := n.present("room", 10); p.Sessions != 0 || p.Users != 0 || len(p.Members) != 0 {
		c.Errorf("%+v", p)
	}
}

func presenceConcurrent(c *cluster) {
	nodes := c.nodes()
	for _, n := range nodes {
		n.subscribe("room", hub.Retention{})
	}
	var tabs sync.WaitGroup
	for i := range 8 {
		tabs.Go(func() {
			n, m := nodes[i%len(nodes)], member(fmt.Sprint("s", i), "ann")
			for range 50 {
				n.join("room", m)
				n.leave("room", m)
			}
		})
	}
	tabs.Wait()
	for i, n := range nodes {
		events := n.awaitEvents("room", 2)
		c.eventually(func() bool { events = n.events("room"); return len(events)%2 == 0 }, "ann has gone for node %d", i)
		for k, e := range events {
			if users := (k + 1) % 2; e.Joined != (k%2 == 0) || e.Users != users {
				c.Fatalf("event %d of node %d is %+v", k, i, e)
			}
		}
		if p := n.present("room", 10); p.Sessions != 0 || p.Users != 0 {
			c.Errorf("node %d: all have gone, but %+v is left", i, p)
		}
	}
}
