package servers

// This file: gobwas/ws in three forms: the README's wsutil echo, its zero-copy upgrade with a hand-written frame loop,
// and that loop with a buffered reader, which trades memory for system calls.

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const gobwasModule = "github.com/gobwas/ws"

func init() {
	register(&Server{
		Name: "gobwas", Module: gobwasModule,
		About: "README: `UpgradeHTTP`, `wsutil.ReadClientData`, `wsutil.WriteServerMessage`",
		Kinds: []Kind{Echo, Pipelined, Idle},
		Serve: serveGobwas,
	})
	register(&Server{
		Name: "gobwas-raw", Module: gobwasModule,
		About:        "README: zero-copy `Upgrade`, `ReadHeader`, `Cipher`; payload buffer reused, one write; fan-out: `CompileFrame`",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle, Fanout},
		Compressions: []Compression{NoTakeover},
		Serve: func(o Options) error {
			return serveGobwasRaw(o, func(c net.Conn) io.Reader { return c })
		},
		Fanout: fanoutGobwas,
	})
	register(&Server{
		Name: "gobwas-buf", Module: gobwasModule,
		About:        "gobwas-raw behind a `bufio.Reader` of 4 KiB: fewest system calls",
		Kinds:        []Kind{Echo, Pipelined, Deflate},
		Compressions: []Compression{NoTakeover},
		Serve: func(o Options) error {
			return serveGobwasRaw(o, func(c net.Conn) io.Reader { return bufio.NewReaderSize(c, 4096) })
		},
	})
}

func serveGobwas(o Options) error {
	wsutil.SetMaxMessageSize(1 << 20)
	return serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for {
				message, op, err := wsutil.ReadClientData(conn)
				if err != nil {
					return
				}
				if wsutil.WriteServerMessage(conn, op, message) != nil {
					return
				}
			}
		}()
	})
}

func serveGobwasRaw(o Options, reader func(net.Conn) io.Reader) error {
	return acceptGobwas(o, func(conn net.Conn) {
		if o.Compression == Off {
			if _, err := ws.Upgrade(conn); err == nil {
				echoGobwasRaw(conn, reader(conn))
			}
			return
		}
		if upgradeGobwasDeflate(conn) == nil {
			echoGobwasDeflate(conn, reader(conn))
		}
	})
}

func fanoutGobwas(o Options) error {
	var members room[net.Conn]
	return acceptGobwas(o, func(conn net.Conn) {
		if _, err := ws.Upgrade(conn); err != nil {
			return
		}
		var buf []byte
		for joined := false; ; {
			header, payload, err := readGobwasFrame(conn, buf)
			if err != nil || header.OpCode == ws.OpClose {
				return
			}
			buf = payload
			frame := ws.MustCompileFrame(ws.NewFrame(header.OpCode, true, payload))
			if !joined {
				joined = true
				members.join(conn)
				defer members.leave(conn)
				_, _ = conn.Write(frame) // what is wrong with a member, its own loop hears
				continue
			}
			members.each(func(member net.Conn) { _, _ = member.Write(frame) })
		}
	})
}

func acceptGobwas(o Options, serve func(net.Conn)) error {
	for {
		conn, err := o.Listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

// maxGobwasFrame bounds what a header may announce; the low-level package leaves that to its user.
const maxGobwasFrame = 1 << 20

func echoGobwasRaw(conn net.Conn, from io.Reader) {
	var in, out []byte
	for {
		header, payload, err := readGobwasFrame(from, in)
		if err != nil || header.OpCode == ws.OpClose {
			return
		}
		in = payload
		out = appendGobwasFrame(out[:0], header, payload)
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// readGobwasFrame reads one frame and unmasks it into buf, which grows as needed.
func readGobwasFrame(from io.Reader, buf []byte) (ws.Header, []byte, error) {
	header, err := ws.ReadHeader(from)
	if err != nil {
		return header, nil, err
	}
	if header.Length > maxGobwasFrame {
		return header, nil, ws.ErrHeaderLengthUnexpected
	}
	if int64(cap(buf)) < header.Length {
		buf = make([]byte, header.Length)
	}
	buf = buf[:header.Length]
	if _, err := io.ReadFull(from, buf); err != nil {
		return header, nil, err
	}
	if header.Masked {
		ws.Cipher(buf, header.Mask, 0)
		header.Masked = false
	}
	return header, buf, nil
}

func appendGobwasFrame(dst []byte, header ws.Header, payload []byte) []byte {
	sink := sliceWriter{dst}
	header.Length = int64(len(payload))
	_ = ws.WriteHeader(&sink, header) // a sliceWriter takes everything
	return append(sink.b, payload...)
}

type sliceWriter struct{ b []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}
