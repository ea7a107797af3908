// TLS: version, application protocol, and whether browsers will believe the certificate.

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// soon is when a certificate should have been renewed by.
const soon = 14 * 24 * time.Hour

// handshake does a handshake as a browser would, and then judges the certificate itself, so as to say all that is wrong with it.
func (e *examination) handshake(ctx context.Context) bool {
	e.secret = true
	if !e.target.secure {
		e.plain()
		return true
	}
	state, err := e.shake(ctx, "h2", "http/1.1")
	if err != nil {
		e.fail("tls", fmt.Sprintf("no TLS: %v", err), unshaken(err))
		return false
	}
	e.ok("tls", "%s, %s", tls.VersionName(state.Version), protocol(state))
	if state.Version < tls.VersionTLS12 {
		e.warn("tls", tls.VersionName(state.Version)+" is outdated, and browsers refuse it", "let whoever ends TLS speak TLS 1.2 and 1.3")
	}
	trusted := e.judge(state.PeerCertificates)
	if state.NegotiatedProtocol != "http/1.1" { // WebSockets need it
		if _, err := e.shake(ctx, "http/1.1"); err != nil {
			e.fail("tls", fmt.Sprintf("no TLS for HTTP/1.1: %v", err), "let whoever ends TLS offer http/1.1 beside h2 (ALPN): WebSockets are opened over it")
		}
	}
	if !trusted && !e.Insecure {
		e.fail("tls", "nothing behind a certificate that does not verify was looked at", "mend the certificate, or go on all the same with --insecure")
	}
	return trusted || e.Insecure
}

// plain is a way without TLS.
func (e *examination) plain() {
	switch {
	case e.target.local():
		e.ok("tls", "none, and none needed: the way does not leave this machine")
	case e.Token != "":
		e.secret = false
		e.warn("tls", "none: anybody on the way can read and change what passes, so the token is not sent", "use https; let the node or a proxy end TLS")
	default:
		e.warn("tls", "none: anybody on the way can read and change what passes, and pages loaded over https may not connect", "use https; let the node or a proxy end TLS")
	}
}

// shake does a handshake that believes every certificate, and sends nothing after it.
func (e *examination) shake(ctx context.Context, protocols ...string) (tls.ConnectionState, error) {
	ctx, cancel := e.within(ctx)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: protocols, ServerName: e.target.host, MinVersion: tls.VersionTLS10}}
	conn, err := d.DialContext(ctx, "tcp", e.target.address())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState(), nil
}

func unshaken(err error) string {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "what answers there speaks no TLS: use http://, or have the proxy listen with TLS on this port (nginx: listen 443 ssl)"
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return fmt.Sprintf("the other side gave up (%v): give it a certificate for this name, and protocols that browsers speak", alert)
	}
	return "look at the log of whoever ends TLS"
}

func protocol(state tls.ConnectionState) string {
	switch state.NegotiatedProtocol {
	case "h2":
		return "HTTP/2 for requests (ALPN h2)"
	case "":
		return "HTTP/1.1 (no ALPN)"
	}
	return state.NegotiatedProtocol + " (ALPN)"
}

// judge says what is wrong with the certificate.
func (e *examination) judge(chain []*x509.Certificate) bool {
	if len(chain) == 0 {
		e.fail("certificate", "the server showed none", "give whoever ends TLS a certificate")
		return false
	}
	leaf, now := chain[0], time.Now()
	failures := e.report.Failures
	switch {
	case now.After(leaf.NotAfter):
		e.fail("certificate", fmt.Sprintf("expired on %s", day(leaf.NotAfter)), "renew it, have whoever ends TLS load the new one, and let both happen by themselves")
	case now.Before(leaf.NotBefore):
		e.fail("certificate", fmt.Sprintf("not valid before %s", day(leaf.NotBefore)), "set the clock of this machine, or wait")
	case leaf.NotAfter.Sub(now) < soon && leaf.NotAfter.Sub(leaf.NotBefore) > 2*soon:
		e.warn("certificate", fmt.Sprintf("expires on %s", day(leaf.NotAfter)), "look at why it was not renewed yet")
	}
	if err := leaf.VerifyHostname(e.target.host); err != nil {
		e.fail("certificate", fmt.Sprintf("is for %s, not for %s", names(leaf), e.target.host), "use a name that is in it, or get one for this name (and send SNI)")
	}
	e.judgeChain(chain, now)
	if e.report.Failures > failures {
		return false
	}
	e.ok("certificate", "for %s, issued by %s, valid until %s", names(leaf), leaf.Issuer, day(leaf.NotAfter))
	return true
}

// judgeChain looks for an authority that is trusted, whatever the date.
func (e *examination) judgeChain(chain []*x509.Certificate, now time.Time) {
	leaf, between := chain[0], x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		now = leaf.NotBefore.Add(time.Second)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: e.Roots, Intermediates: between, CurrentTime: now})
	switch {
	case err == nil:
	case leaf.CheckSignatureFrom(leaf) == nil || leaf.Subject.String() == leaf.Issuer.String():
		e.fail("certificate", "signed by itself, so no browser believes it", "get one of an authority (Let's Encrypt costs nothing)")
	case len(chain) == 1:
		e.fail("certificate", fmt.Sprintf("issued by %s, whose own certificate is not sent along", leaf.Issuer),
			"send the whole chain: nginx and HAProxy want the file with the intermediate certificates appended (fullchain.pem); "+
				"for an authority of your own, trust it on this machine (SSL_CERT_FILE)")
	default:
		e.fail("certificate", fmt.Sprintf("its chain of %d does not verify: %v", len(chain), err),
			"send the chain that the authority gave; for an authority of your own, trust it on this machine (SSL_CERT_FILE)")
	}
}

func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name at all"
	}
	if len(all) > 5 {
		all = append(all[:5], fmt.Sprintf("%d more", len(all)-5))
	}
	return strings.Join(all, ", ")
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
