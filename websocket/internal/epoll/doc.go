// Package epoll is Linux's epoll as an event loop wants it: one that can be woken, raw reads and writes of sockets that do not
// block, and the way of a descriptor out of package net and back. Elsewhere it is empty.
package epoll
