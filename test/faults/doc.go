// Package faults has real nodes fail under traffic, and what they share: ringdown serve as processes of their own, which are stopped, killed and
// frozen; Redis, NATS and RabbitMQ likewise; and links between them that are cut. Clients of every transport read and come back as they are
// told, publishers try until there is a receipt. The checker of package simulation then goes through all that anybody saw and was told:
// every publication once and in order with every client, and no word of a gap but where something was lost.
//
// One node is restarted with a state file (restart_test.go), or killed, after which nobody may go on with what it had read. Three nodes share a server,
// behind a balancer that knows nothing of sessions (faults_test.go): to the checker all that happens to them is one life of one node, unless
// the server forgets what it had.
//
// The clients are the test's own, but for package client, which is one of them.
package faults
