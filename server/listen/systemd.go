// Sockets that systemd has opened (sd_listen_fds(3)): the service needs no privileges, and no connection is refused while it restarts.

package listen

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// firstInherited is the descriptor of the first socket.
const firstInherited = 3

// inherit takes the socket of a name, or the only one for "".
func inherit(name string) (net.Listener, error) {
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || n < 1 {
		return nil, fmt.Errorf("systemd has handed over no socket; start the service by a socket unit, or write an address")
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	i := 0
	switch {
	case name != "":
		if i = slices.Index(names, name); i < 0 || i >= n {
			return nil, fmt.Errorf("systemd has handed over no socket named %q; it has %s", name, strings.Join(names, ", "))
		}
	case n > 1:
		return nil, fmt.Errorf("systemd has handed over %d sockets; say which, as systemd:NAME: %s", n, strings.Join(names, ", "))
	}
	file := os.NewFile(uintptr(firstInherited+i), "systemd:"+name)
	defer file.Close()
	l, err := net.FileListener(file) // a duplicate
	if err != nil {
		return nil, fmt.Errorf("the socket %q of systemd: %w", name, err)
	}
	return l, nil
}
