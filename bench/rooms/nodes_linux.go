package rooms

// This file: a hundred thousand connections on one machine. Several real nodes over one real broker, each with its subscribers in a
// process of their own, and now and then a publication that reaches all.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	nodesPatience = 60 * time.Second       // for all subscribers to hear a publication
	nodesPause    = 500 * time.Millisecond // between two publications
	nodesWarmup   = 3                      // publications that do not count
	nodesGuests   = 5 * time.Second        // from when those have left who came first until memory is read: presence lingers so long
)

// many is one run.
type many struct {
	options   NodesOptions
	cluster   *cluster
	each      []int // subscribers of each node
	halls     []*hall
	hearings  chan hearing
	ended     chan error // of a hall
	publisher *session
	crowd     *crowd // of the publisher
	published int
	run       NodesRun
}

// TakeNodes starts the nodes and their subscribers, and measures.
func TakeNodes(interrupted context.Context, shop *Shop, o NodesOptions, progress func(string)) (*NodesRun, error) {
	runtime.LockOSThread() // processes end with the thread that started them
	defer runtime.UnlockOSThread()
	favour(true)
	defer favour(false)
	peer := map[string]*Peer{"redis": ringdownRedis, "nats": ringdownNATS}[o.Broker]
	if peer == nil {
		return nil, fmt.Errorf("there is no broker %q for this run; use redis or nats", o.Broker)
	}
	program, err := shop.Get(peer)
	if err != nil {
		return nil, err
	}
	before := memoryLeft()
	nodes, err := startCluster(program, o.Nodes, o.Pin)
	if err != nil {
		return nil, err
	}
	defer nodes.stop()
	m := &many{options: o, cluster: nodes, each: shares(o.Connections, o.Nodes), hearings: make(chan hearing, o.Nodes), ended: make(chan error, o.Nodes)}
	m.run = NodesRun{Version: program.Version, Nodes: make([]Share, o.Nodes), Connections: o.Connections}
	defer func() {
		for _, h := range m.halls {
			h.close()
		}
	}()
	for _, step := range []func(context.Context) error{m.receiveGuests, m.fill, m.settle, m.publishAll} {
		if err := step(interrupted); err != nil {
			return nil, nodes.explain(err)
		}
		progress(m.told())
	}
	m.run.Machine = before - memoryLeft()
	return &m.run, nil
}

// told is how far the run is, for somebody who waits.
func (m *many) told() string {
	switch r := &m.run; {
	case len(r.Reaches) > 0:
		return fmt.Sprintf("%d publications measured", len(r.Reaches))
	case r.Nodes[0].After.pss > 0:
		return fmt.Sprintf("node 1 holds %.0f bytes for each connection", r.Nodes[0].Each())
	case r.Joined > 0:
		return fmt.Sprintf("%d connections in %v", m.options.Connections, r.Joined.Round(time.Millisecond))
	}
	return fmt.Sprintf("%d nodes are there", m.options.Nodes)
}

// receiveGuests has some clients come to each node and go, and notes the memory after that.
func (m *many) receiveGuests(ctx context.Context) error {
	for _, node := range m.cluster.nodes {
		if err := receiveGuests(node, &ringdownRaw.Protocol); err != nil {
			return err
		}
	}
	if err := wait(ctx, nodesGuests); err != nil {
		return err
	}
	return m.eachShare(func(s *Share, p *process) (err error) {
		s.Before, err = p.memory()
		return err
	})
}

// eachShare is for the broker and for every node.
func (m *many) eachShare(f func(*Share, *process) error) error {
	if err := f(&m.run.Broker, m.cluster.broker); err != nil {
		return err
	}
	for i, node := range m.cluster.nodes {
		if err := f(&m.run.Nodes[i], node); err != nil {
			return err
		}
	}
	return nil
}

// used calls f with what each share used of the processor while did ran.
func (m *many) used(did func() error, f func(*Share, time.Duration)) error {
	before := map[*Share]time.Duration{}
	note := func(s *Share, p *process) error {
		u, err := p.usage()
		if was, ok := before[s]; ok && err == nil {
			f(s, u.cpu-was)
		}
		before[s] = u.cpu
		return err
	}
	if err := m.eachShare(note); err != nil {
		return err
	}
	if err := did(); err != nil {
		return err
	}
	return m.eachShare(note)
}

// fill has everybody join, at all nodes at once.
func (m *many) fill(ctx context.Context) error {
	for i := range m.run.Nodes {
		m.run.Nodes[i].Connections = m.each[i]
	}
	m.run.Broker.Connections = m.options.Connections
	return m.used(func() error {
		began := monotonic()
		for i, node := range m.cluster.nodes {
			h, err := m.open(node, m.each[i])
			if err != nil {
				return err
			}
			m.halls = append(m.halls, h)
		}
		for joined := 0; joined < len(m.halls); joined++ {
			h, err := m.hear(ctx, 3*time.Minute) // each hall gives up by itself when nobody joins for a while
			if err != nil {
				return err
			}
			if !h.joined {
				return errors.New("a publication was heard before there was one")
			}
		}
		m.run.Joined = monotonic() - began
		return nil
	}, func(s *Share, d time.Duration) { s.Joining = d })
}

// settle waits, notes the memory, and watches what idle connections cost.
func (m *many) settle(ctx context.Context) error {
	if err := wait(ctx, m.options.Settle); err != nil {
		return err
	}
	if err := m.eachShare(func(s *Share, p *process) (err error) {
		s.After, err = p.memory()
		return err
	}); err != nil {
		return err
	}
	return m.used(func() error { return wait(ctx, m.options.Settle) },
		func(s *Share, d time.Duration) { s.Idle = d.Seconds() / m.options.Settle.Seconds() })
}

// publishAll measures publications, one after the other.
func (m *many) publishAll(ctx context.Context) (err error) {
	if m.crowd, err = newCrowd(m.cluster.nodes[0].address, &ringdownRaw.Protocol); err != nil {
		return err
	}
	defer m.crowd.close()
	if m.publisher, err = m.crowd.poster(); err != nil {
		return err
	}
	var clients, others, took time.Duration
	for n := range nodesWarmup + m.options.Publications {
		if err := wait(ctx, nodesPause); err != nil {
			return err
		}
		theirs, mine, machine, began := m.clientUsage(), ownUsage(), machineUsage(), monotonic()
		var reach Reach
		var ours time.Duration
		err := m.used(func() (err error) {
			reach, err = m.publish(ctx)
			return err
		}, func(s *Share, d time.Duration) {
			ours += d
			if n >= nodesWarmup {
				s.Publishing = append(s.Publishing, d)
			}
		})
		if err != nil {
			return err
		}
		if n < nodesWarmup {
			continue
		}
		theirs, mine = m.clientUsage()-theirs, ownUsage()-mine
		clients += theirs
		others += machineUsage() - machine - ours - theirs - mine
		took += monotonic() - began
		m.run.Reaches = append(m.run.Reaches, reach)
	}
	m.run.Clients = clients / time.Duration(m.options.Publications)
	m.run.Elsewhere = max(0, others.Seconds()/took.Seconds())
	return nil
}

// publish posts one to the first node, and waits until all have heard it.
func (m *many) publish(ctx context.Context) (r Reach, err error) {
	number, answered := m.published, false
	m.published++
	m.crowd.answered = func(*session) error { answered = true; return nil }
	sent := monotonic()
	if err := m.crowd.send(m.publisher, postToChannel.request(nil, m.crowd.server.String(), sheet(number))); err != nil {
		return r, err
	}
	for limit := sent + patience; !answered; {
		if err := m.crowd.turn(10 * time.Millisecond); err != nil {
			return r, err
		}
		if monotonic() > limit {
			return r, fmt.Errorf("publication %d was not answered within %v", number, patience)
		}
	}
	var times []time.Duration
	for range m.halls {
		h, err := m.hear(ctx, nodesPatience)
		if err != nil {
			return r, fmt.Errorf("publication %d: %w", number, err)
		}
		if h.joined || h.number != number {
			return r, fmt.Errorf("subscribers told of publication %d when %d was due", h.number, number)
		}
		times = append(times, h.times...)
	}
	return reachOf(sent, times), nil
}

// hear waits for what one of the halls says.
func (m *many) hear(ctx context.Context, limit time.Duration) (hearing, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case h := <-m.hearings:
		return h, nil
	case err := <-m.ended:
		return hearing{}, err
	case <-ctx.Done():
		return hearing{}, ctx.Err()
	case <-timer.C:
		return hearing{}, fmt.Errorf("not all subscribers were heard of within %v", limit)
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// A hall is a process with the subscribers of a node.
type hall struct {
	cmd   *exec.Cmd
	stdin io.Closer
	said  *tail
	over  sync.WaitGroup
}

func (m *many) open(node *process, count int) (*hall, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &hall{cmd: exec.Command(program, "listeners", node.address.String(), fmt.Sprint(count)), said: &tail{}}
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	h.cmd.Stderr = h.said
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	h.over.Go(func() { // ends with the process, which close kills
		in := bufio.NewReader(stdout)
		for {
			heard, err := nextHearing(in, count)
			if err != nil {
				_ = h.cmd.Wait() // how it ended is in what it said
				m.ended <- fmt.Errorf("the subscribers of %v have ended: %s; the node said last: %s", node.address, h.said, node.said)
				return
			}
			m.hearings <- heard
		}
	})
	return h, nil
}

func (h *hall) close() {
	_ = h.cmd.Process.Kill()
	_ = h.stdin.Close()
	h.over.Wait()
}

// clientUsage is what all halls have used of the processor.
func (m *many) clientUsage() (all time.Duration) {
	for _, h := range m.halls {
		if u, err := (&process{cmd: h.cmd}).usage(); err == nil { // one that has ended is told elsewhere
			all += u.cpu
		}
	}
	return all
}

// memoryLeft is how much memory the machine could still give to programs, in bytes; 0 if it does not tell.
func memoryLeft() int {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes int
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	return 0
}
