// What package loop is given of this package's insides.

package websocket

import (
	"net/http"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

func init() {
	bridge.Acceptor = func(opts any) (func(http.ResponseWriter, *http.Request) (*bridge.Upgraded, error), *bridge.Settings, error) {
		a, err := NewAcceptor(opts.(*AcceptOptions))
		if err != nil {
			return nil, nil, err
		}
		return a.upgrade, a.set.bridged(), nil
	}
	bridge.Frame = func(m any) []byte { return m.(*PreparedMessage).plain }
	bridge.Packed = func(m any, level, windowBits int) (frame, payload []byte) {
		p := m.(*PreparedMessage)
		return p.compressed(packing{level, windowBits, wire.Server}), p.payload
	}
	bridge.Blocking = func(u *bridge.Upgraded, opts any) (any, error) {
		a, err := NewAcceptor(opts.(*AcceptOptions))
		if err != nil {
			return nil, err
		}
		return newConn(u, a.set), nil
	}
}

func (s *settings) bridged() *bridge.Settings {
	return &bridge.Settings{
		Limits:    &s.limits,
		Threshold: s.compression.Threshold,
		Level:     s.compression.Level,
		Interval:  s.keepAlive.Interval,
		Timeout:   s.keepAlive.Timeout,
		Frame:     s.frame,
		Write:     s.write,
		Close:     s.close,
	}
}

// agreeOn sets up the codec for what was agreed on; nil is no compression.
func (s *settings) agreeOn(u *bridge.Upgraded, agreed *deflate.Params) {
	if agreed == nil {
		return
	}
	own, peers := agreed.ClientNoContextTakeover, agreed.ServerNoContextTakeover
	ownBits, peersBits := agreed.ClientMaxWindowBits, agreed.ServerMaxWindowBits
	if s.role == wire.Server {
		own, peers, ownBits, peersBits = peers, own, peersBits, ownBits
	}
	keeps := s.compression.Mode == CompressionTakeover
	u.WindowBits = uint8(ownBits)
	u.Deflator = deflate.NewDeflator(keeps && !own, ownBits, s.compression.Level)
	u.Inflator = deflate.NewInflator(!peers, peersBits)
}
