// A case, and how it is run.

package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Case is one conversation with the side under test.
type Case struct {
	ID         string // such as "5.3": chapter and number
	Proves     string // in a sentence
	Against    Against
	Strictness Strictness

	// Long cases take seconds, and say little that the others do not.
	Long bool
	// Variant cases repeat another conversation with other parameters of compression, which matters to who compresses and to
	// nothing beneath it.
	Variant bool
	// Deflate is what to agree on; nil offers and answers no compression.
	Deflate *Deflate
	// Early sends the first step's bytes together with the end of the handshake.
	Early bool

	Steps []Step
	End   End
}

// Against says which sides a case can test.
type Against uint8

// Most cases test either side.
const (
	Either Against = iota
	Servers
	Clients
)

// Strictness says what the failure of a case means.
type Strictness uint8

// Must is the RFC's demand. Should is good conduct that the RFC leaves open, such as not to wait for the end of a message
// that cannot become valid.
const (
	Must Strictness = iota
	Should
)

// End is how a conversation ends. The zero End: the tester closes with 1000, and gets 1000 back.
type End struct {
	codes  []int // of the Close frame that the side under test must send
	at     string
	silent bool // the handshake must fail, and that is the end
}

// fails expects that the side under test fails the connection with one of codes.
func fails(codes ...int) End { return End{codes: codes, at: "fails the connection"} }

// answers expects one of codes in answer to the Close frame that the steps have sent. 1005 stands for none.
func answers(codes ...int) End { return End{codes: codes, at: "answers the Close frame"} }

// never expects that no connection comes about.
func never() End { return End{silent: true} }

// ErrNoDeflate is the end of a case for compression with a side that does not agree to it.
var ErrNoDeflate = errors.New("the side under test does not agree on permessage-deflate")

// caseTimeout bounds a case for which the context sets no time.
const caseTimeout = 2 * time.Minute

// Run runs the case against a server, over a connection that dial opens: TCP, or TLS with its handshake done. A nil error
// means that the server passed.
func (c Case) Run(ctx context.Context, dial func() (net.Conn, error), path string) error {
	nc, err := dial()
	if err != nil {
		return fmt.Errorf("dialling: %w", err)
	}
	s := newSession(nc, false)
	defer s.close()
	stop := s.bound(ctx)
	defer stop()
	return c.finish(s, s.connect(&c, path))
}

// serve runs the case against a client whose opening handshake is request.
func (c Case) serve(ctx context.Context, s *session, offers []string, key string) error {
	defer s.close()
	stop := s.bound(ctx)
	defer stop()
	return c.finish(s, s.accept(&c, offers, key))
}

// finish runs the steps and the end of the case, once the handshake has come to its end with err.
func (c *Case) finish(s *session, err error) error {
	if c.End.silent {
		if err != nil {
			return err
		}
		return s.expectGone()
	}
	if err != nil {
		return fmt.Errorf("the opening handshake: %w", err)
	}
	steps := c.Steps
	if c.Early {
		steps = steps[1:]
	}
	for i, step := range steps {
		if err := step.run(s); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, step.name, err)
		}
	}
	return s.end(&c.End)
}

// early is what a case sends along with its handshake.
func (c *Case) early(s *session) ([]byte, error) {
	if !c.Early {
		return nil, nil
	}
	err := c.Steps[0].run(s)
	b := s.held
	s.held = nil
	return b, err
}

// Cases are all cases, in the order of their numbers.
func Cases() []Case { return slices.Clone(allCases()) }

var allCases = sync.OnceValue(func() []Case {
	var all []Case
	for chapter, cases := range [][]Case{
		sizes(), pings(), reservedBits(), reservedOpcodes(), fragments(), utf8Texts(), closes(), masksAndLengths(), large(),
		opening(), negotiation(), compressed(), miscompressed(),
	} {
		for i := range cases {
			cases[i].ID = fmt.Sprintf("%d.%d", chapter+1, i+1)
		}
		all = append(all, cases...)
	}
	return all
})

// end brings the connection to its end and checks that it is the right one.
func (s *session) end(end *End) error {
	codes, at := end.codes, end.at
	if codes == nil {
		codes, at = []int{1000}, "answers the Close frame"
		s.write(s.frame(closing(1000, "")))
	}
	ev, err := s.next()
	if err != nil {
		return fmt.Errorf("waiting until it %s with %s: %w", at, list(codes), err)
	}
	if ev.op != opClose {
		return fmt.Errorf("waiting until it %s with %s: got %s", at, list(codes), ev)
	}
	if !slices.Contains(codes, ev.code) {
		return fmt.Errorf("it %s with %d %q, want %s", at, ev.code, ev.payload, list(codes))
	}
	return s.expectEnd()
}

func list(codes []int) string { return strings.Trim(fmt.Sprint(codes), "[]") }
