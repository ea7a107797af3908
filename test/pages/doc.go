// Package pages opens the pages that ringdown serves in Chromium, against the real binary with the built pages: two tabs of each, what one
// does and the other shows, with nothing on the browser's console.
//
// It needs web/dist; `make pages` builds it.
package pages
