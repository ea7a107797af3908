// Package sdk tests @ringdown/client (sdk/js) in Node against a real ringdown: servers that are killed, paused and restarted, networks that are
// cut, and a proxy that accepts the Upgrade and eats what comes after it.
//
// What the Go client is tested for as well is listed in docs/client-behaviours.md.
package sdk
