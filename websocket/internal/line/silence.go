// Peers that are gone without a word, where only the kernel can tell: nothing comes from them, but they acknowledge.

package line

import (
	"net"
	"time"
)

// LimitSilence has the kernel break a TCP connection, also beneath TLS, whose peer has acknowledged nothing for so long: after
// interval it is asked whether it is there, and has timeout to answer; bytes that were sent have both to be acknowledged. What
// is no TCP, or of a system that cannot do it, stays as it is.
func LimitSilence(nc net.Conn, interval, timeout time.Duration) {
	for {
		beneath, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		nc = beneath.NetConn()
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	const probes = 3
	tcp.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: max(interval, time.Second), Interval: max(timeout/probes, time.Second), Count: probes,
	})
	limitUnacknowledged(tcp, interval+timeout)
}
