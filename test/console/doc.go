// Package console opens the operator's console in Chromium, against the real binary with the built pages: every view, by mouse and by keyboard,
// on a phone and in the dark, with clients that come, talk and drop, and with nothing on the browser's console.
//
// It needs web/dist; `make pages` builds it.
package console
