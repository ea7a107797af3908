// The steps that conversations consist of.

package conformance

import (
	"bytes"
	"fmt"
)

// Step is one thing that the tester does: send something, or wait for something.
type Step struct {
	name string
	run  func(*session) error
}

func (s Step) String() string { return s.name }

// send writes frames, all at once.
func send(frames ...frame) Step {
	return Step{fmt.Sprintf("sending %d frames", len(frames)), func(s *session) error {
		s.write(s.frame(frames...))
		return nil
	}}
}

// sendBytes writes bytes that need not be frames.
func sendBytes(b ...byte) Step {
	return Step{fmt.Sprintf("sending %d bytes", len(b)), func(s *session) error {
		s.write(b)
		return nil
	}}
}

// chop writes frames in pieces of size bytes, each by itself.
func chop(size int, frames ...frame) Step {
	return Step{fmt.Sprintf("sending in pieces of %d bytes", size), func(s *session) error {
		for b := s.frame(frames...); len(b) > 0; {
			n := min(size, len(b))
			s.write(b[:n])
			b = b[n:]
		}
		return nil
	}}
}

// expect waits for a message that is a frame's payload, of its type.
func expect(messages ...frame) Step {
	return Step{fmt.Sprintf("waiting for %d messages", len(messages)), func(s *session) error {
		for i, want := range messages {
			if err := s.expect(want.op, want.payload); err != nil {
				return fmt.Errorf("message %d: %w", i+1, err)
			}
		}
		return nil
	}}
}

// expectPong waits for pongs, in this order.
func expectPong(payloads ...string) Step {
	return Step{fmt.Sprintf("waiting for %d pongs", len(payloads)), func(s *session) error {
		for _, want := range payloads {
			if err := s.expect(opPong, []byte(want)); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (s *session) expect(op byte, payload []byte) error {
	ev, err := s.next()
	if err != nil {
		return err
	}
	if ev.op != op || !bytes.Equal(ev.payload, payload) {
		return fmt.Errorf("got %s, want %s", ev, event{op: op, payload: payload})
	}
	return nil
}

// alive proves that the side under test still listens: a ping is answered.
func alive() Step {
	return Step{"asking for a sign of life", func(s *session) error {
		s.write(s.frame(ping("alive?")))
		return s.expect(opPong, []byte("alive?"))
	}}
}

// echo is send and expect of one message in one frame.
func echo(f frame) []Step { return []Step{send(f), expect(f)} }

// packed sends messages compressed, in frames of at most size bytes (0: one each).
func packed(size int, how packing, messages ...frame) Step {
	return Step{fmt.Sprintf("sending %d compressed messages", len(messages)), func(s *session) error {
		for _, m := range messages {
			m.payload = s.agreed.deflate.message(m.payload, how)
			m.rsv = 4
			step := size
			if step == 0 {
				step = len(m.payload)
			}
			s.write(s.frame(fragmented(m, step)...))
		}
		return nil
	}}
}

// lazily makes the steps of a large case when it is run.
func lazily(name string, make func() []Step) []Step {
	return []Step{{name, func(s *session) error {
		for _, step := range make() {
			if err := step.run(s); err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
		}
		return nil
	}}}
}
