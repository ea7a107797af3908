// Package restart stops a real node under traffic, as an operator does, and starts it again: ringdown serve as a process of its own,
// SIGTERM, and the same port, with a state file. Clients of every transport read and come back as they are told, publishers try
// until there is a receipt. The checker of package simulation then finds every publication once and in order with every client,
// with no word of a gap; to it the two processes are one life of the node.
//
// Another test kills it, after which nobody may go on with what it had read.
//
// The first is done with several nodes, too, that share a Redis, behind a balancer that knows nothing of sessions: nodes are restarted one after the
// other or killed, Redis is killed, stands still or forgets everything, and to the checker all of it is one life of one node.
//
// The clients are the test's own, but for package client, which is one of them.
package faults
