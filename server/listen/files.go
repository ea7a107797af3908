// Certificates from files that may change.

package listen

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often handshakes have the files looked at.
const lookEvery = time.Second

// Files is a certificate and its key in PEM files. When they change, the next handshake that is a second after the last look has them
// read again; a new pair that cannot be used leaves the old in place, and is logged once.
type Files struct {
	certificate, key string
	log              *slog.Logger
	pair             atomic.Pointer[tls.Certificate]
	looked           atomic.Int64 // when, in Unix nanoseconds

	mu   sync.Mutex     // held by who looks
	seen [2]os.FileInfo // as of the last reading, whether it succeeded or not
}

// OpenFiles reads the pair. The error says which file is wrong.
func OpenFiles(certificate, key string, log *slog.Logger) (*Files, error) {
	f := &Files{certificate: certificate, key: key, log: log}
	if err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// GetCertificate is for a tls.Config.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now, looked := time.Now().UnixNano(), f.looked.Load()
	if now-looked >= int64(lookEvery) && f.looked.CompareAndSwap(looked, now) {
		f.look()
	}
	return f.pair.Load(), nil
}

// look reads the files if they are others than were read last.
func (f *Files) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.stat()
	if same(seen[0], f.seen[0]) && same(seen[1], f.seen[1]) {
		return
	}
	if err := f.read(seen); err != nil {
		f.log.Error("the new certificate cannot be used; the old one stays", "cause", err)
		return
	}
	f.log.Info("read a new certificate", "file", f.certificate, "names", f.pair.Load().Leaf.DNSNames, "expires", f.pair.Load().Leaf.NotAfter)
}

// Reload reads the files now. After an error the old pair stays.
func (f *Files) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read(f.stat())
}

// read is called with the lock.
func (f *Files) read(seen [2]os.FileInfo) error {
	f.seen = seen
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return fmt.Errorf("the certificate %s with the key %s: %w", f.certificate, f.key, err)
	}
	if old := f.pair.Load(); old != nil && time.Now().After(pair.Leaf.NotAfter) && time.Now().Before(old.Leaf.NotAfter) {
		return fmt.Errorf("the certificate %s has expired on %s, and the old one has not", f.certificate, pair.Leaf.NotAfter)
	}
	f.pair.Store(&pair)
	return nil
}

// stat is what the files are now; nil where one is not there.
func (f *Files) stat() (seen [2]os.FileInfo) {
	for i, name := range []string{f.certificate, f.key} {
		if info, err := os.Stat(name); err == nil {
			seen[i] = info
		}
	}
	return seen
}

// same reports whether nothing was written between a and b.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
