// Package simulation plays a node and some thirty clients in a network that cuts, stalls and delays their connections, and checks that
// everybody saw what docs/guarantees.md promises: the publications of a channel in order, once, as they were published, and a word
// about each that did not come.
//
// A seed decides everything that can be decided beforehand (script.go): who publishes what, where, how and when; who reads which
// channels over which transports, for how long, and when it forgets its cursor; after how many bytes the network does what to a
// connection; when the node is stopped, gracefully or not, and started again with an empty memory. The clients are the test's own:
// sockets, net/http and package websocket, but no code of the gateways.
//
//	go test ./test/simulation                          # fixed seeds and a new one
//	go test ./test/simulation -run Whatever -seed 17   # one seed
//
// The script is the same for a seed every time. What the scheduler and the kernel make of it is not: sockets are real, so two runs
// of a seed differ in what exactly is cut and missed, and a rare failure may take several runs of its seed to come back. That is why
// the checker never asks whether something specific happened, but whether what happened was right; it knows nothing of the
// node but what a tap between hub and broker says was published, and takes as possible whatever the times of the log leave open.
//
// A run ends when the script has been played, the network has become calm, and everybody has seen the last publication of each
// channel. Nothing waits for a time in which something must be done, except for a minute in the end, after which a client that is
// still behind is a failure.
//
// What is not covered: a channel over several nodes, polls of several channels, event streams over HTTP/2 and connections over TLS.
package simulation
