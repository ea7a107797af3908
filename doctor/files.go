// Open files: each connection is one, at the server, at a proxy, and at whoever opens very many.

package doctor

import (
	"fmt"
	"strconv"
)

const (
	// fewFiles is a limit that a server outgrows soon; it is what many systems give a process that asks for nothing.
	fewFiles = 4096
	// nearlyAll is the share of the limit that leaves no room, in percent.
	nearlyAll = 80
)

const raiseFiles = "raise it: LimitNOFILE= of the systemd unit (deploy/ringdown.service), ulimits: nofile of the container, or ulimit -n; and fs.nr_open above it"

// usage is what a process has of its limit. A limit of 0 is none.
type usage struct{ open, limit int }

// files looks at this process's limit, which is that of whatever else is started the same way, and at the server's.
func (e *examination) files() {
	if own, err := ownFiles(); err == nil {
		e.ok("files", "a program started here may open %s files", count(own.limit))
	}
	if e.PID == 0 {
		return
	}
	server, err := filesOf(e.PID)
	if err != nil {
		e.warn("files", fmt.Sprintf("the process %d was not looked at: %v", e.PID, err), "run the doctor on the server's machine, as its user or as root")
		return
	}
	text := fmt.Sprintf("the process %d has %d files open and may open %s", e.PID, server.open, count(server.limit))
	switch {
	case server.limit == 0:
		e.ok("files", "%s", text)
	case server.open*100 > server.limit*nearlyAll:
		e.fail("files", text+": soon nobody else can connect", raiseFiles)
	case server.limit < fewFiles:
		e.warn("files", text+", so not many more clients can connect", raiseFiles)
	default:
		e.ok("files", "%s", text)
	}
}

func count(limit int) string {
	if limit == 0 {
		return "any number of"
	}
	return strconv.Itoa(limit)
}
