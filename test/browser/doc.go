// Package browser lets Chromium talk through the plain pages of a real ringdown: pages in one browser, programs beside them on other
// transports, and a server that is killed under them.
package browser
