package rooms

// This file: publications to subscribers who are on several nodes over one broker.

import "fmt"

// A cluster is the processes of a server that is several nodes, or of one that is but one.
type cluster struct {
	broker *process // nil: there is none
	nodes  []*process
}

// startCluster starts the broker, if the program wants one, and then so many nodes; one only of a program that wants none.
func startCluster(program Program, count int, pinned bool) (c *cluster, err error) {
	c = &cluster{}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	node := program
	if program.Broker == nil {
		count = 1
	} else {
		if c.broker, err = start(*program.Broker, pinned); err != nil {
			return nil, fmt.Errorf("the broker: %w", err)
		}
		node.Command = func(port int, dir string) ([]string, error) { return program.Node(c.broker.address, port, dir) }
	}
	for range count {
		p, err := start(node, pinned)
		if err != nil {
			return nil, fmt.Errorf("node %d: %w", len(c.nodes)+1, err)
		}
		c.nodes = append(c.nodes, p)
	}
	return c, nil
}

// crowd is clients of all nodes.
func (c *cluster) crowd(protocol *Protocol) (*crowd, error) {
	clients, err := newCrowd(c.nodes[0].address, protocol)
	if err != nil {
		return nil, err
	}
	for _, node := range c.nodes[1:] {
		clients.beside = append(clients.beside, node.address)
	}
	return clients, nil
}

// usage is what all nodes together have used, and what the broker has.
func (c *cluster) usage() (nodes, broker usage, err error) {
	for _, node := range c.nodes {
		u, err := node.usage()
		if err != nil {
			return nodes, broker, err
		}
		nodes = usage{nodes.cpu + u.cpu, nodes.user + u.user, nodes.system + u.system}
	}
	if c.broker != nil {
		broker, err = c.broker.usage()
	}
	return nodes, broker, err
}

// explain adds to an error what those processes said last that have ended.
func (c *cluster) explain(err error) error {
	if err == nil {
		return nil
	}
	for _, p := range c.all() {
		err = p.explain(err)
	}
	return err
}

func (c *cluster) all() (all []*process) {
	if c.broker != nil {
		all = append(all, c.broker)
	}
	return append(all, c.nodes...)
}

func (c *cluster) stop() {
	for _, p := range c.all() {
		p.stop()
	}
}

func (sample *Sample) takeCluster(program Program, protocol *Protocol, p Point, o Options) error {
	servers, err := startCluster(program, nodes, o.Pin)
	if err != nil {
		return err
	}
	defer servers.stop()
	c, err := servers.crowd(protocol)
	if err != nil {
		return err
	}
	defer c.close()
	return servers.explain(sample.measureCluster(servers, c, p, o))
}

func (sample *Sample) measureCluster(servers *cluster, c *crowd, p Point, o Options) error {
	f, err := begin(c, p, o)
	if err != nil {
		return err
	}
	nodesBefore, brokerBefore, err := servers.usage()
	if err != nil {
		return err
	}
	took, err := f.run(o.Window, 0)
	if err != nil {
		return err
	}
	nodesAfter, brokerAfter, err := servers.usage()
	if err != nil {
		return err
	}
	sample.work(nodesBefore, nodesAfter, f.deliveries, took, &f.latencies)
	sample.Clients = p.Clients
	sample.Broker = float64(brokerAfter.cpu-brokerBefore.cpu) / float64(f.deliveries)
	return nil
}
