package servers

// This file: lxzan/gws, as in its "Best Practice", but with messages handled in order: its ParallelEnabled starts a
// goroutine per message and lets the answers overtake each other, which costs more and is no echo.

import (
	"bytes"
	"net/http"
	"time"

	"github.com/lxzan/gws"
)

func init() {
	register(&Server{
		Name: "gws", Module: "github.com/lxzan/gws",
		About:        "README, `OnMessage`, `WriteMessage`, in order (ParallelEnabled off); fan-out: `Broadcaster`",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle, Fanout},
		Compressions: []Compression{NoTakeover, Takeover},
		Serve:        serveGWS,
		Fanout:       fanoutGWS,
	})
}

func serveGWS(o Options) error {
	return runGWS(o, gwsEcho{})
}

func fanoutGWS(o Options) error {
	return runGWS(o, &gwsRoom{})
}

func runGWS(o Options, handler gws.Event) error {
	upgrader := gws.NewUpgrader(handler, &gws.ServerOption{
		Recovery: gws.Recovery,
		PermessageDeflate: gws.PermessageDeflate{
			Enabled:               o.Compression != Off,
			ServerContextTakeover: o.Compression == Takeover,
			ClientContextTakeover: o.Compression == Takeover,
		},
	})
	return serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
		socket, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go socket.ReadLoop()
	})
}

type gwsEcho struct{}

// gwsPatience is the README's PingInterval + PingWait, made longer so that no run outlasts it: the client sends no pings.
const gwsPatience = time.Hour

func (gwsEcho) OnOpen(socket *gws.Conn)           { _ = socket.SetDeadline(time.Now().Add(gwsPatience)) }
func (gwsEcho) OnClose(*gws.Conn, error)          {}
func (gwsEcho) OnPing(socket *gws.Conn, _ []byte) { _ = socket.WritePong(nil) }
func (gwsEcho) OnPong(*gws.Conn, []byte)          {}

func (gwsEcho) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	_ = socket.WriteMessage(message.Opcode, message.Bytes())
}

type gwsRoom struct {
	gwsEcho
	members room[*gws.Conn]
}

const gwsJoined = "joined"

func (r *gwsRoom) OnClose(socket *gws.Conn, _ error) { r.members.leave(socket) }

func (r *gwsRoom) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	if _, joined := socket.Session().Load(gwsJoined); !joined {
		socket.Session().Store(gwsJoined, true)
		r.members.join(socket)
		_ = socket.WriteMessage(message.Opcode, message.Bytes())
		return
	}
	publication := gws.NewBroadcaster(message.Opcode, bytes.Clone(message.Bytes()))
	defer publication.Close()
	r.members.each(func(member *gws.Conn) { _ = publication.Broadcast(member) })
}
