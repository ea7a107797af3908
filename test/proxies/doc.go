// Package proxies puts real proxies in front of a real node: nginx, HAProxy and Caddy, as ordinary processes in a temporary folder, with
// the very files of deploy/ in which only ports, paths and sizes are changed. WebSockets, event streams, polls and POST must pass
// through each. Then each is given the mistakes that people make, and ringdown doctor must name them.
//
// The proxies come from Debian's packages; .ci/test-deps installs them. One that is missing fails the tests.
package proxies
