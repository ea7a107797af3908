// TLS between nodes: each shows a certificate, and asks the other for one of the same authority.

package listen

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
)

// Mutual is TLS for both ends of the lines between nodes. The certificate is for servers and clients, and names the addresses at which
// this node is reached; whoever shows another than one of the authority's is refused. When the pair changes, it is read again as [Files]
// says; the authority's certificates are read once. The error says which file is wrong.
func Mutual(certificate, key, authority string, log *slog.Logger) (*tls.Config, error) {
	files, err := OpenFiles(certificate, key, log)
	if err != nil {
		return nil, err
	}
	roots, err := os.ReadFile(authority)
	if err != nil {
		return nil, fmt.Errorf("the authority's certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(roots) {
		return nil, fmt.Errorf("the authority's certificates: there is none in %s; write them there in PEM", authority)
	}
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		GetCertificate:       files.GetCertificate,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return files.GetCertificate(nil) },
		ClientAuth:           tls.RequireAndVerifyClientCert,
		ClientCAs:            pool,
		RootCAs:              pool,
	}, nil
}
