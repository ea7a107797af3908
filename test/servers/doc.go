// Package servers starts the real servers that brokers talk to, for tests: as ordinary processes in a temporary folder, on ports of
// the loopback that were free. They can be killed, frozen, emptied and started again, and a [Link] in front of one can be cut and
// stalled. All of it ends with the test; if the test is killed, the kernel ends them with it.
//
// The programs come from Debian's packages; .ci/test-deps installs them. One that is missing fails the tests.
package servers
