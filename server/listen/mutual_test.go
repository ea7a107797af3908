package listen_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/listen"
)

// member is the TLS of a node whose certificate is signed by one authority, and that trusts another.
func member(t *testing.T, signs, trusted *issuer) *tls.Config {
	t.Helper()
	cert, key := signs.files(t.TempDir(), "node.internal", time.Now().Add(time.Hour))
	roots := filepath.Join(t.TempDir(), "ca.crt")
	write(t, roots, trusted.file())
	c, err := listen.Mutual(cert, key, roots, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNodesAskEachOtherForCertificates(t *testing.T) {
	ours, foreign := newIssuer(t), newIssuer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = tls.NewListener(l, member(t, ours, ours))
	defer l.Close()
	go greet(l, "hello")
	without := member(t, ours, ours)
	without.GetClientCertificate = nil
	older := member(t, ours, ours)
	older.MinVersion, older.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for what, test := range map[string]struct {
		config *tls.Config
		host   string
		ok     bool
	}{
		"one of the nodes":                        {member(t, ours, ours), "node.internal", true},
		"by its address":                          {member(t, ours, ours), "127.0.0.1", true},
		"a node under another name":               {member(t, ours, ours), "other.internal", false},
		"somebody whom another authority signed":  {member(t, foreign, ours), "node.internal", false},
		"somebody who trusts another authority":   {member(t, ours, foreign), "node.internal", false},
		"somebody without a certificate":          {without, "node.internal", false},
		"somebody with a version that is too old": {older, "node.internal", false},
	} {
		test.config.ServerName = test.host
		nc, err := tls.Dial("tcp", l.Addr().String(), test.config)
		var word []byte
		if err == nil {
			nc.SetDeadline(time.Now().Add(patience))
			word, _ = io.ReadAll(nc)
			nc.Close()
		}
		if heard := string(word) == "hello"; heard != test.ok {
			t.Errorf("%s: heard %q, %v", what, word, err)
		}
	}
}

func TestWhichFileOfTheNodesIsWrong(t *testing.T) {
	ca := newIssuer(t)
	dir := t.TempDir()
	cert, key := ca.files(dir, "node", time.Now().Add(time.Hour))
	empty := filepath.Join(dir, "empty.crt")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ cert, key, ca, want string }{
		{"/no/node.crt", key, cert, "/no/node.crt"},
		{cert, empty, cert, empty},
		{cert, key, "/no/ca.crt", "/no/ca.crt"},
		{cert, key, empty, "there is none in " + empty},
	} {
		if _, err := listen.Mutual(test.cert, test.key, test.ca, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q in it", err, test.want)
		}
	}
}
