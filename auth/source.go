// Where keys come from, and how they are kept fresh: the life of one entry of Options.Keys.

package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Key is one key or a source of several: exactly one of Secret, SecretFile, File and URL is set.
type Key struct {
	// ID is the key id ("kid") to which keys answer that have none of their own. Keys without any are tried with every token
	// of their algorithm.
	ID string

	// Secret is shared with those who mint tokens, for HS256: 32 bytes or more.
	Secret Secret
	// SecretFile is a file that holds such a secret, as it is; a line feed at its end is no part of it.
	SecretFile string
	// File is a file with public keys, certificates or private keys in PEM, with a JWK or with a JWKS. It is read again when
	// it changes.
	File string
	// URL is where an issuer publishes its JWKS: https, or http to this machine. At most three redirections are followed, none of them
	// from https to http, or over http from this machine to another.
	URL string
	// AllowHTTP takes an http URL of another machine, for a network in which nobody can put keys of his own into the answer.
	AllowHTTP bool
}

// String names the key without giving it away.
func (k Key) String() string {
	switch {
	case k.URL != "":
		if u, err := url.Parse(k.URL); err == nil {
			return u.Scheme + "://" + u.Host + u.Path // no password, no query
		}
		return "the key server"
	case k.File != "" || k.SecretFile != "":
		return k.File + k.SecretFile
	case k.ID != "":
		return fmt.Sprintf("the secret %q", k.ID)
	}
	return "the secret"
}

// GoString keeps the secret out of %#v.
func (k Key) GoString() string { return k.String() }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

func (k Key) check() error {
	set := 0
	for _, s := range []string{string(k.Secret), k.SecretFile, k.File, k.URL} {
		if s != "" {
			set++
		}
	}
	if set != 1 {
		return fmt.Errorf("a key has %d of secret, secret file, file and URL; give it exactly one", set)
	}
	if k.URL == "" {
		return nil
	}
	u, err := url.Parse(k.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("a key's URL is no https URL; write it as https://login.example.com/.well-known/jwks.json")
	}
	if u.Scheme == "http" && !k.AllowHTTP && !isLoopback(u.Hostname()) {
		return fmt.Errorf("the keys of %v would come over http, where anybody on the way can replace them; use https", k)
	}
	return nil
}

// source is a Key with what was loaded from it.
type source struct {
	Key
	options *Options
	life    context.Context // ends with the verifier
	work    *sync.WaitGroup // the verifier waits for it

	mu        sync.Mutex // guards what follows
	keys      []key
	loaded    time.Time     // when keys were last loaded or found unchanged
	attempted time.Time     // when the last load began
	failure   error         // of the last load, or nil
	loading   chan struct{} // closed when the load under way is over; nil if there is none
	closed    bool          // no further load may begin
}

// inherit takes what a verifier, which may be nil, has loaded from the same place.
func (s *source) inherit(from *Verifier) {
	if from == nil {
		return
	}
	for _, old := range from.sources {
		if old.Key != s.Key {
			continue
		}
		old.mu.Lock()
		s.keys, s.loaded, s.failure = old.keys, old.loaded, old.failure
		old.mu.Unlock()
		return
	}
}

// refreshes tells whether the keys can change.
func (s *source) refreshes() bool { return s.Secret == "" }

// snapshot returns the keys, unless they could not be refreshed for too long.
func (s *source) snapshot(now time.Time) (keys []key, available bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded.IsZero() || s.refreshes() && now.Sub(s.loaded) > s.options.MaxStale {
		return nil, false
	}
	return s.keys, true
}

// keep refreshes the keys until the verifier is closed.
func (s *source) keep() {
	failures := 0
	for {
		s.mu.Lock()
		failed := s.failure != nil
		s.mu.Unlock()
		wait := s.options.Refresh
		if s.URL == "" {
			wait = s.options.FileInterval
		}
		if failures++; !failed {
			failures = 0
		} else {
			wait = min(wait, firstRetry<<min(failures-1, 6))
		}
		select {
		case <-s.life.Done():
			return
		case <-time.After(wait):
			s.refresh(s.life)
		}
	}
}

const firstRetry = 5 * time.Second // doubles from failure to failure, to 320 s

// refreshForUnknown loads the keys because a token names one that is not known, unless that was done a moment ago: whoever
// sends tokens with made-up key ids does not reach the key server more often than Options.UnknownKeyInterval.
func (s *source) refreshForUnknown(ctx context.Context) {
	s.mu.Lock()
	wait := s.loading == nil && !s.attempted.IsZero() && time.Since(s.attempted) < s.options.UnknownKeyInterval
	s.mu.Unlock()
	if !wait {
		s.refresh(ctx)
	}
}

// refresh loads the keys, or waits for the load that is under way, until ctx ends. The load itself does not end with it: there
// may be others who wait.
func (s *source) refresh(ctx context.Context) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.begin()
	done := s.loading
	s.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// begin has the keys loaded unless that is under way. The caller holds the lock.
func (s *source) begin() {
	if s.loading == nil {
		s.loading, s.attempted = make(chan struct{}), time.Now()
		s.work.Go(s.load)
	}
}

// load reads the keys once and keeps what it got; a failure leaves the old ones in place.
func (s *source) load() {
	keys, passed, err := s.read()
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := err == nil && !sameKeys(keys, s.keys)
	told := (err == nil) == (s.failure == nil)
	s.failure = err
	if err == nil {
		s.keys, s.loaded = keys, time.Now()
	}
	close(s.loading)
	s.loading = nil
	switch {
	case err != nil && s.life.Err() == nil && !told:
		s.options.Log.Error("the keys for tokens could not be loaded; those known so far are used on", "source", s.String(),
			"error", err, "known", len(s.keys), "until", s.loaded.Add(s.options.MaxStale))
	case changed || err == nil && !told:
		s.options.Log.Info("the keys for tokens were loaded", "source", s.String(), "keys", len(keys), "passed_over", passed)
	}
}

// read returns the keys there are, and why others were passed over.
func (s *source) read() (keys []key, passed []error, err error) {
	switch {
	case s.URL != "":
		body, err := s.fetch()
		if err != nil {
			return nil, nil, err
		}
		if keys, passed, err = parseJWKs(body, s.ID, false); err != nil {
			return nil, nil, fmt.Errorf("the answer %w", err)
		}
		return keys, passed, nil
	case s.File != "":
		content, err := readBounded(s.File)
		if err != nil {
			return nil, nil, err
		}
		if keys, passed, err = parseKeys(content, s.ID); err != nil {
			return nil, nil, fmt.Errorf("the file %w", err)
		}
		return keys, passed, nil
	}
	secret := []byte(s.Secret)
	if s.SecretFile != "" {
		content, err := readBounded(s.SecretFile)
		if err != nil {
			return nil, nil, err
		}
		secret = []byte(strings.TrimRight(string(content), "\r\n"))
	}
	k, err := newKey(s.ID, secret)
	return []key{k}, nil, err
}

// readBounded reads a small file.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("the file has more than %d bytes; a file of keys is smaller", maxFile)
	}
	return content, err
}

// fetch asks the key server. Its errors tell nothing of the answer but its status and length.
func (s *source) fetch() ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.life, s.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, errors.New("the URL cannot be asked")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := s.options.Client.Do(request)
	if err != nil {
		var cause *url.Error // prints the URL, with its query
		if errors.As(err, &cause) {
			err = cause.Err
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer within %v", s.options.Timeout)
		}
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d %s instead of 200", response.StatusCode, http.StatusText(response.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxFile+1))
	if ctx.Err() != nil {
		return nil, fmt.Errorf("no whole answer within %v", s.options.Timeout)
	}
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	if len(body) > maxFile {
		return nil, fmt.Errorf("the answer has more than %d bytes; a set of keys is smaller", maxFile)
	}
	return body, nil
}
