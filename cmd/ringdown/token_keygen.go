// ringdown token keygen.

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/ringdown/ringdown/auth"
)

// keygenOptions are the flags of token keygen.
type keygenOptions struct {
	algorithm, out, format, id string
}

func tokenKeygenCommand() *cobra.Command {
	o := keygenOptions{}
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a key for tokens, in files",
		Long: `Make a key for tokens and write it to files. The private key goes to --out, readable by you alone; with it
tokens are minted. The public key goes to the same name with ".pub" at its end; it is what a server
needs, and need not be kept secret. HS256 has one secret for both. No file is overwritten.

EdDSA and ES256 are fast and short. RS256 is what old libraries know. HS256 means that whoever can
check tokens can mint them.`,
		Example: `  ringdown token keygen --out ringdown.pem
  ringdown token keygen --algorithm ES256 --format jwk --id 2027-01 --out ringdown.jwk`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.keygen(cmd.OutOrStdout()) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.algorithm, "algorithm", auth.EdDSA, "`name`: EdDSA, ES256, RS256 or HS256")
	flags.StringVar(&o.out, "out", "", "`file` for the private key or secret")
	flags.StringVar(&o.format, "format", "", "pem or jwk, a `name`; by default pem, and jwk for HS256, which has no PEM")
	flags.StringVar(&o.id, "id", "", "`id` of the key, which a JWK keeps")
	return cmd
}

func (o *keygenOptions) keygen(out io.Writer) error {
	if o.out == "" {
		return errors.New("--out is missing; name the file for the key")
	}
	if o.format == "" {
		o.format = map[bool]string{true: "jwk", false: "pem"}[o.algorithm == auth.HS256]
	}
	if o.format != "pem" && o.format != "jwk" {
		return fmt.Errorf("--format is %.20q; give it pem or jwk", o.format)
	}
	if o.format == "pem" && o.id != "" {
		return errors.New("--id cannot be kept in PEM; use --format jwk, or give the id to the server beside the file")
	}
	key, err := auth.GenerateKey(o.algorithm, o.id)
	if err != nil {
		return err
	}
	private, public := key.PrivatePEM, key.PublicPEM
	if o.format == "jwk" {
		private, public = key.PrivateJWK, key.PublicJWK
	}
	content, err := private()
	if err != nil {
		return err
	}
	if err := writeNew(o.out, content, 0o600); err != nil {
		return err
	}
	if o.algorithm == auth.HS256 {
		fmt.Fprintf(out, "%s holds the secret, for the server and for those who mint tokens\n", o.out)
		return nil
	}
	if content, err = public(); err != nil {
		return err
	}
	if err := writeNew(o.out+".pub", content, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s holds the private key, for those who mint tokens\n%s.pub holds the public key, for the server\n", o.out, o.out)
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(name string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and a key that is overwritten is lost; choose another name", name)
	}
	if err != nil {
		return err
	}
	if len(content) > 0 && content[len(content)-1] != '\n' {
		content = append(content, '\n')
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
