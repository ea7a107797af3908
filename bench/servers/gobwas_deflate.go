package servers

// This file: gobwas/ws with its wsflate package. Its README makes a level 9 compressor per message; here they are
// pooled and at level 1, as the other libraries have them, which does gobwas a large favour.

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

func upgradeGobwasDeflate(conn net.Conn) error {
	e := wsflate.Extension{Parameters: wsflate.DefaultParameters}
	u := ws.Upgrader{Negotiate: e.Negotiate}
	if _, err := u.Upgrade(conn); err != nil {
		return err
	}
	if _, accepted := e.Accepted(); !accepted {
		return errors.New("the client did not offer permessage-deflate")
	}
	return nil
}

// gobwasCodec is what one message needs to be inflated and deflated again.
type gobwasCodec struct {
	in         bytes.Reader
	reader     *wsflate.Reader
	writer     *wsflate.Writer
	plain, out bytes.Buffer
}

var gobwasCodecs = sync.Pool{New: func() any {
	return &gobwasCodec{
		reader: wsflate.NewReader(nil, func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) }),
		writer: wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
			f, _ := flate.NewWriter(w, flate.BestSpeed) // fails only for an unknown level
			return f
		}),
	}
}}

func echoGobwasDeflate(conn net.Conn, from io.Reader) {
	var in, out []byte
	for {
		header, payload, err := readGobwasFrame(from, in)
		if err != nil || header.OpCode == ws.OpClose {
			return
		}
		in = payload
		if out, err = recompressGobwas(out[:0], header, payload); err != nil {
			return
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// recompressGobwas appends the compressed answer to the message of one compressed frame to dst.
func recompressGobwas(dst []byte, header ws.Header, payload []byte) ([]byte, error) {
	codec := gobwasCodecs.Get().(*gobwasCodec)
	defer gobwasCodecs.Put(codec)
	if compressed, err := wsflate.IsCompressed(header); err != nil || !compressed {
		return nil, errors.New("the message is not compressed")
	}
	codec.in.Reset(payload)
	codec.reader.Reset(&codec.in)
	codec.plain.Reset()
	if _, err := codec.plain.ReadFrom(codec.reader); err != nil {
		return nil, err
	}
	codec.out.Reset()
	codec.writer.Reset(&codec.out)
	if _, err := codec.writer.Write(codec.plain.Bytes()); err != nil {
		return nil, err
	}
	if err := codec.writer.Flush(); err != nil {
		return nil, err
	}
	return appendGobwasFrame(dst, header, codec.out.Bytes()), nil
}
