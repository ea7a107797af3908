// Package socketio lets the official clients of Engine.IO and Socket.IO, from npm, talk to our servers. The clients run under Node in
// scripts beside the tests; see package node.
package socketio
