// What a line promises over every kind of connection: interrupted reads lose nothing, contexts of earlier calls are
// forgotten, last words arrive.

package line

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var background = context.Background()

// kinds are the connections that a line may lie on: near is the line's end, far the peer's.
var kinds = map[string]func(*testing.T) (near, far net.Conn){
	"tcp": func(t *testing.T) (net.Conn, net.Conn) { return socketPair(t, "tcp", "127.0.0.1:0") },
	"unix": func(t *testing.T) (net.Conn, net.Conn) {
		return socketPair(t, "unix", filepath.Join(t.TempDir(), "line.sock"))
	},
	"tls":  tlsPair,
	"pipe": func(t *testing.T) (net.Conn, net.Conn) { return pipePair(t) },
}

func pipePair(t *testing.T) (net.Conn, net.Conn) {
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func socketPair(t *testing.T, network, address string) (net.Conn, net.Conn) {
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func tlsPair(t *testing.T) (net.Conn, net.Conn) {
	near, far := socketPair(t, "tcp", "127.0.0.1:0")
	server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	client := tls.Client(far, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
	shaken := make(chan error)
	go func() { shaken <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return server, client
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// onEvery runs test over every kind of connection.
func onEvery(t *testing.T, test func(t *testing.T, l *Line, far net.Conn)) {
	for name, pair := range kinds {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			l := new(Line)
			l.Init(near)
			test(t, l, far)
		})
	}
}

// send writes from the far end in the background; a pipe's write waits for the line to read.
func send(t *testing.T, far net.Conn, text string) {
	t.Helper()
	go func() {
		if _, err := io.WriteString(far, text); err != nil {
			t.Errorf("the far end writes: %v", err)
		}
	}()
}

// mustRead reads until it has as many bytes as want has, and compares.
func mustRead(t *testing.T, l *Line, ctx context.Context, want string) {
	t.Helper()
	var got []byte
	for len(got) < len(want) {
		b, err := l.Read(ctx)
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, b...)
	}
	if string(got) != want {
		t.Fatalf("read %.80q, want %.80q", got, want)
	}
}

func TestBytesArriveAndTheEndIsEOF(t *testing.T) {
	onEvery(t, func(t *testing.T, l *Line, far net.Conn) {
		long := strings.Repeat("0123456789", 20_000)
		send(t, far, long)
		mustRead(t, l, background, long)
		send(t, far, "and a little more")
		mustRead(t, l, background, "and a little more")
		far.Close()
		if b, err := l.Read(background); b != nil || err != io.EOF {
			t.Errorf("read %q, %v at the end", b, err)
		}
	})
}

func TestCancelledReadLosesNothing(t *testing.T) {
	onEvery(t, func(t *testing.T, l *Line, far net.Conn) {
		const size = 2000
		sent := make([]byte, size)
		for i := range sent {
			sent[i] = byte(i % 251)
		}
		go func() {
			for i := range sent {
				if _, err := far.Write(sent[i : i+1]); err != nil {
					t.Errorf("the far end writes: %v", err)
					return
				}
			}
		}()
		var got []byte
		interrupted := 0
		for len(got) < size {
			ctx, cancel := context.WithCancel(background)
			go cancel() // at any moment, before, while and after bytes come
			b, err := l.Read(ctx)
			switch {
			case err == nil:
				got = append(got, b...)
			case err == context.Canceled && b == nil:
				interrupted++
			default:
				t.Fatalf("after %d bytes: read %q, %v", len(got), b, err)
			}
			<-ctx.Done()
			if interrupted%3 == 1 && len(got) < size { // the line is as usable without a context
				if b, err = l.Read(background); err != nil {
					t.Fatalf("after an interruption: %v", err)
				}
				got = append(got, b...)
				interrupted++
			}
		}
		if !bytes.Equal(got, sent) {
			t.Error("what was read is not what was sent")
		}
	})
}

func TestReadWithAnEndedContextReadsNothing(t *testing.T) {
	onEvery(t, func(t *testing.T, l *Line, far net.Conn) {
		ctx, cancel := context.WithCancel(background)
		send(t, far, "first")
		mustRead(t, l, ctx, "first")
		cancel()
		send(t, far, "second")
		for range 2 { // the context that was in use, and again
			if b, err := l.Read(ctx); b != nil || err != context.Canceled {
				t.Fatalf("read %q, %v", b, err)
			}
		}
		other, cancel := context.WithCancel(background)
		cancel()
		if b, err := l.Read(other); b != nil || err != context.Canceled {
			t.Fatalf("with another context that has ended: read %q, %v", b, err)
		}
		mustRead(t, l, background, "second")
	})
}

func TestOneContextServesManyReads(t *testing.T) {
	onEvery(t, func(t *testing.T, l *Line, far net.Conn) {
		type key struct{}
		ctx, cancel := context.WithCancel(background)
		for i := range 50 {
			send(t, far, "again")
			mustRead(t, l, context.WithValue(ctx, key{}, i), "again") // contexts that end together are one
		}
		watcher := l.reading.watcher.Load()
		send(t, far, "once more")
		mustRead(t, l, ctx, "once more")
		if l.reading.watcher.Load() != watcher {
			t.Error("the same context was registered anew")
		}
		go cancel()
		if _, err := l.Read(ctx); err != context.Canceled {
			t.Errorf("read: %v", err)
		}
	})
}

func TestContextOfAnEarlierReadDisturbsNoLaterOne(t *testing.T) {
	onEvery(t, func(t *testing.T, l *Line, far net.Conn) {
		for range 100 {
			earlier, cancel := context.WithCancel(background)
			later, stop := context.WithCancel(background)
			send(t, far, "a")
			mustRead(t, l, earlier, "a")
			go func() {
				cancel() // while the later read begins, or waits
				far.Write([]byte("b"))
			}()
			mustRead(t, l, later, "b")
			send(t, far, "c")
			mustRead(t, l, background, "c")
			stop()
		}
	})
}

// The same at leisure: everything that a context can set off has run before the next step.
func TestInterruptionsStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pipePair(t)
		l := new(Line)
		l.Init(near)
		type result struct {
			text string
			err  error
		}
		results := make(chan result, 1)
		read := func(ctx context.Context) {
			go func() {
				b, err := l.Read(ctx)
				results <- result{string(b), err}
			}()
			synctest.Wait()
		}
		waits := func(step string) {
			t.Helper()
			synctest.Wait()
			if len(results) != 0 {
				t.Fatalf("%s: the read came back with %v", step, <-results)
			}
		}
		first, cancelFirst := context.WithCancel(background)
		second, cancelSecond := context.WithCancel(background)

		read(first)
		send(t, far, "one")
		if got := <-results; got != (result{text: "one"}) {
			t.Fatal(got)
		}
		read(second)
		cancelFirst()
		waits("the first context ends during the second's read")
		cancelSecond()
		if got := <-results; got.err != context.Canceled {
			t.Fatal(got)
		}
		read(background)
		waits("a read without a context after an interrupted one")
		send(t, far, "two")
		if got := <-results; got != (result{text: "two"}) {
			t.Fatal(got)
		}

		// A context that ends between two reads has put the deadline in the past; the next read must not meet it.
		third, cancelThird := context.WithCancel(background)
		read(third)
		send(t, far, "three")
		<-results
		cancelThird()
		synctest.Wait()
		read(background)
		waits("a read after a context that ended in between")
		send(t, far, "four")
		if got := <-results; got != (result{text: "four"}) {
			t.Fatal(got)
		}

		timed, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := l.Read(timed); err != context.DeadlineExceeded || time.Since(start) != time.Minute {
			t.Errorf("a minute's patience: %v after %v", err, time.Since(start))
		}
	})
}

func TestReadsAndWritesAreInterruptedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pipePair(t)
		l := new(Line)
		l.Init(near)
		ctx, cancel := context.WithCancel(background)
		read := make(chan string, 1)
		go func() {
			b, err := l.Read(background)
			if err != nil {
				t.Error(err)
			}
			read <- string(b)
		}()
		wrote := make(chan error, 1)
		go func() {
			_, err := l.Write(ctx, []byte("nobody listens"))
			wrote <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-wrote; !errors.Is(err, context.Canceled) {
			t.Errorf("write: %v", err)
		}
		synctest.Wait()
		if len(read) != 0 {
			t.Fatal("the read was interrupted too")
		}
		send(t, far, "hello")
		if got := <-read; got != "hello" {
			t.Errorf("read %q", got)
		}
	})
}

func TestWriteWithAnEndedContextHarmsNothing(t *testing.T) {
	onEvery(t, func(t *testing.T, l *Line, far net.Conn) {
		ctx, cancel := context.WithCancel(background)
		cancel()
		if n, err := l.Write(ctx, []byte("never")); n != 0 || err != context.Canceled {
			t.Fatalf("wrote %d bytes, %v", n, err)
		}
		got := make(chan string)
		go func() {
			b := make([]byte, 5)
			_, err := io.ReadFull(far, b)
			if err != nil {
				t.Error(err)
			}
			got <- string(b)
		}()
		if n, err := l.Write(background, []byte("whole")); n != 5 || err != nil {
			t.Errorf("wrote %d bytes, %v", n, err)
		}
		if got := <-got; got != "whole" {
			t.Errorf("got %q", got)
		}
	})
}

// A peer that does not read lets a large write get stuck. Interrupted, it tells how much has gone, and that has.
func TestInterruptedWriteTellsWhatHasGone(t *testing.T) {
	for _, kind := range []string{"tcp", "unix"} {
		t.Run(kind, func(t *testing.T) {
			near, far := kinds[kind](t)
			l := new(Line)
			l.Init(near)
			large := bytes.Repeat([]byte("0123456789abcdef"), 4<<20)
			total := 0
			for round := 0; ; round++ { // until the system takes nothing more
				ctx, cancel := context.WithCancel(background)
				go cancel()
				n, err := l.Write(ctx, large[total:])
				total += n
				if n == 0 && l.Writes()&1 == 0 && err == context.Canceled && round > 100 {
					break
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("round %d: wrote %d bytes, %v", round, n, err)
				}
				if n > 0 && (err == context.Canceled || !strings.Contains(err.Error(), "interrupted after")) {
					t.Fatalf("wrote %d bytes, and the error does not tell: %v", n, err)
				}
			}
			got := make([]byte, total)
			if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, large[:total]) {
				t.Fatalf("the %d bytes did not arrive: %v", total, err)
			}
			if _, err := l.Write(background, []byte("the rest")); err != nil {
				t.Fatal(err)
			}
			l.Close()
			if rest, err := io.ReadAll(far); string(rest) != "the rest" || err != nil {
				t.Errorf("then came %.40q, %v", rest, err)
			}
		})
	}
}

func TestWritesCountProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pipePair(t)
		l := new(Line)
		l.Init(near)
		done := make(chan error)
		go func() {
			_, err := l.Write(background, make([]byte, 3*writeStep))
			done <- err
		}()
		before := l.Writes()
		for range 3 {
			synctest.Wait()
			now := l.Writes()
			if now&1 == 0 || now == before {
				t.Errorf("the counter went from %d to %d; a write is under way and moves", before, now)
			}
			before = now
			io.ReadFull(far, make([]byte, writeStep))
		}
		if err := <-done; err != nil || l.Writes()&1 != 0 {
			t.Errorf("error %v, counter %d after the write", err, l.Writes())
		}
	})
}

// Where there is no waiting without a buffer, the line waits with a small one and borrows a large one only while bytes
// keep coming.
func TestSmallBufferToWaitWith(t *testing.T) {
	for _, kind := range []string{"pipe", "tls"} {
		t.Run(kind, func(t *testing.T) {
			near, far := kinds[kind](t)
			l := new(Line)
			l.Init(near)
			const size = 10_000 // within one TLS record
			for round := range 3 {
				send(t, far, strings.Repeat("x", size))
				first, err := l.Read(background)
				if err != nil || len(first) != waitSize {
					t.Fatalf("round %d: first read %d bytes, %v", round, len(first), err)
				}
				if &first[0] != &l.wait[:1][0] {
					t.Errorf("round %d: the first read is not into the small buffer", round)
				}
				second, err := l.Read(background)
				if err != nil || len(second) != size-waitSize || cap(second) != readSize {
					t.Fatalf("round %d: second read %d bytes into %d, %v", round, len(second), cap(second), err)
				}
			}
			l.Release()
			if l.buf != nil {
				t.Error("a released line holds a borrowed buffer")
			}
		})
	}
	near, _ := kinds["tcp"](t)
	l := new(Line)
	l.Init(near)
	ctx, cancel := context.WithCancel(background)
	go cancel()
	if _, err := l.Read(ctx); err != context.Canceled || l.buf != nil || l.wait != nil {
		t.Errorf("a TCP line waits with a buffer: %v", err)
	}
}

// An abandoned buffer stays as it is, because somebody still looks at it.
func TestAbandonedBufferIsNotReused(t *testing.T) {
	onEvery(t, func(t *testing.T, l *Line, far net.Conn) {
		send(t, far, "keep this")
		kept, err := l.Read(background)
		if err != nil || string(kept) != "keep this" {
			t.Fatalf("read %q, %v", kept, err)
		}
		l.Abandon()
		for range 5 {
			send(t, far, "overwritten")
			mustRead(t, l, background, "overwritten")
		}
		if string(kept) != "keep this" {
			t.Errorf("now it is %q", kept)
		}
	})
}

// The peer is in the middle of sending when the line parts. Closed at once, the connection would be reset and the last
// words lost.
func TestLingerDeliversTheLastWords(t *testing.T) {
	for _, kind := range []string{"tcp", "unix", "tls"} {
		t.Run(kind, func(t *testing.T) {
			near, far := kinds[kind](t)
			l := new(Line)
			l.Init(near)
			sent := make(chan error)
			go func() {
				_, err := far.Write(make([]byte, 4<<20)) // more than the system holds
				sent <- err
			}()
			if _, err := l.Read(background); err != nil { // some of it is there
				t.Fatal(err)
			}
			if _, err := l.Write(background, []byte("last words")); err != nil {
				t.Fatal(err)
			}
			parted := make(chan struct{})
			go func() {
				l.Linger(time.Minute)
				close(parted)
			}()
			if err := <-sent; err != nil {
				t.Fatalf("the peer could not finish: %v", err)
			}
			got, err := io.ReadAll(far)
			if string(got) != "last words" || err != nil {
				t.Errorf("the peer got %q, %v", got, err)
			}
			far.Close()
			<-parted
			if _, err := near.Write([]byte("x")); err == nil {
				t.Error("the line is still open")
			}
		})
	}
}

func TestLingerHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pipePair(t)
		l := new(Line)
		l.Init(halfCloser{near})
		start := time.Now()
		cut := make(chan struct{})
		go func() { // a peer that goes on and on
			defer close(cut)
			for {
				if _, err := far.Write([]byte("and another thing")); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
		l.Linger(time.Second)
		if took := time.Since(start); took != time.Second {
			t.Errorf("lingered for %v", took)
		}
		<-cut
	})
}

// A context of the past must not cut the lingering short.
func TestLingerIsNotInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pipePair(t)
		l := new(Line)
		l.Init(halfCloser{near})
		ctx, cancel := context.WithCancel(background)
		send(t, far, "x")
		mustRead(t, l, ctx, "x")
		go l.Linger(time.Minute)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if _, err := far.Write([]byte("still here?")); err != nil {
			t.Errorf("the line did not linger: %v", err)
		}
		far.Close()
	})
}

// halfCloser is a pipe that pretends to close one direction.
type halfCloser struct{ net.Conn }

func (halfCloser) CloseWrite() error { return nil }

// What cannot be closed by half is closed at once.
func TestLingerOnAPipeCloses(t *testing.T) {
	near, far := pipePair(t)
	l := new(Line)
	l.Init(near)
	l.Linger(time.Minute)
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the far end reads %v", err)
	}
}

func TestCloseEndsReadsAndWrites(t *testing.T) {
	onEvery(t, func(t *testing.T, l *Line, far net.Conn) {
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		ended := make(chan error)
		go func() {
			_, err := l.Read(ctx)
			ended <- err
		}()
		l.Close()
		if err := <-ended; err == nil {
			t.Error("read: no error")
		}
		if _, err := l.Write(ctx, []byte("x")); err == nil {
			t.Error("write: no error")
		}
	})
}

// A context may live as long as the program. A line that has ended must not.
func TestEndedLinesLeaveTheirContexts(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	counted := &countingContext{Context: ctx}
	onEvery(t, func(t *testing.T, l *Line, far net.Conn) {
		send(t, far, "x")
		mustRead(t, l, counted, "x")
		go io.ReadFull(far, make([]byte, 1))
		if _, err := l.Write(counted, []byte("y")); err != nil {
			t.Fatal(err)
		}
		if counted.watching == 0 {
			t.Fatal("the test does not see who waits for the context")
		}
		l.Close()
		l.Read(counted) // must not begin anew
		l.Write(counted, []byte("z"))
		if counted.watching != 0 {
			t.Errorf("%d still wait for the context", counted.watching)
		}
	})
}

// countingContext counts those who wait for its end.
type countingContext struct {
	context.Context
	watching int
}

// AfterFunc is what context.AfterFunc asks a context for.
func (c *countingContext) AfterFunc(f func()) func() bool {
	c.watching++
	stop := context.AfterFunc(c.Context, f)
	return func() bool {
		if !stop() {
			return false
		}
		c.watching--
		return true
	}
}

// Value hides that a context of the standard library is within, which would be asked instead.
func (*countingContext) Value(any) any { return nil }
