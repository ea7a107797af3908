// Package node runs the parts of the tests that are not Go: the ws library, the clients of Socket.IO and Chromium, all driven by scripts under
// Node. It stands beside the package.json and the lock file that name their versions.
//
// A script imports what it needs from the modules in this folder (ws.js, engine.js, chromium.js) and hands its commands to
// peer.js; a Go test starts it and calls the commands:
//
//	ws := node.Start(t, "client.js")
//	closed := node.Call[closing](t, ws, "close", closing{Code: 1000})
//
// Nothing here is skipped when it is missing: the test fails with the line that installs it.
package node
