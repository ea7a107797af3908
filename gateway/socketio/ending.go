// Why a socket has gone, in words for an operator.

package socketio

import (
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

// endings are the reasons that there are. Where the hub has ended the session itself, it has a cause of its own; see [Socket.ended].
var endings = map[string]hub.Ending{
	string(engineio.TransportClose): {By: hub.ByClient, Cause: "the client has gone"},
	string(engineio.TransportError): {By: hub.ByNetwork, Cause: "the line to the client broke, or too much waited for it"},
	string(engineio.PingTimeout):    {By: hub.ByNetwork, Silent: true, Cause: "the client did not answer a ping in time"},
	string(engineio.ParseError):     {By: hub.ByServer, Code: hub.BadRequest, Cause: "the client sent what is no packet of its protocol"},
	string(engineio.ForcedClose):    {By: hub.ByServer, Code: hub.Disconnected, Cause: "the server closed the connection"},
	string(engineio.ServerShutdown): {By: hub.ByServer, Code: hub.ShuttingDown, Cause: "the server is shutting down"},
	clientDisconnect:                {By: hub.ByClient, Cause: "the client left the namespace"},
	serverDisconnect:                {By: hub.ByServer, Code: hub.Disconnected, Cause: "the server disconnected the client"},
}

// tellEnd tells the hub of the end of a socket that it has not ended itself.
func (s *Socket) tellEnd() {
	if cause := s.Session().Cause(); cause != "" && cause != hub.ShuttingDown { // told by ended
		return
	}
	e := endings[s.reason]
	e.Session, e.Remote = s.Session(), s.conn.engine.RemoteAddr()
	s.conn.server.hub.Told(e)
}
