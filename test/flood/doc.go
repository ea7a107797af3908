// Package flood runs a node in dev mode, as it is served to everybody, against ten thousand clients of which a tenth mean harm: they
// never read, open handshakes and leave them half open, send garbage, far too much, or the same command without end, forge cursors,
// and are cut by RST. The other nine tenths must get every publication, once and in order, and not one of them may be cut;
// meanwhile the node's memory stays bounded, and in the end it has let go of everything.
//
// The clients live in child processes, as a process may not have enough open files for both ends: the test's own program, started
// again with a role in its environment. One test kills such a process with SIGKILL and has the node notice.
//
// Under the race detector, which makes everything several times as slow and as large, there are a thousand clients.
package flood
