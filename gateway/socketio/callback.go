// Functions that take an answer: the last argument of Emit, as with the Node server.

package socketio

import (
	"fmt"
	"reflect"
)

// callback returns the function that an event's arguments end with, if they do.
func callback(args []any) (fn reflect.Value, ok bool) {
	if len(args) == 0 {
		return fn, false
	}
	fn = reflect.ValueOf(args[len(args)-1])
	return fn, fn.Kind() == reflect.Func && !fn.IsNil()
}

// emitAsking sends an event, and has fn called with the answer.
func (s *Socket) emitAsking(event string, args []any, fn reflect.Value) error {
	takes, err := inspectCallback(fn.Type())
	if err != nil {
		return fmt.Errorf("socketio: argument %d cannot be sent, nor be called with the answer: %w", len(args)+1, err)
	}
	e, err := s.namespace.encoded(event, args)
	if err != nil {
		return err
	}
	c := s.namespace.put([]*Socket{s}, event, e)
	if err := c.refusal(); err != nil {
		return err
	}
	server := s.conn.server
	server.hands.all.Go(func() { // ends with the time-out or the socket
		ctx, cancel := server.bounded(server.ctx, 0)
		defer cancel()
		answer, err := c.only(ctx)
		s.post(task{run: func() {
			if err := takes.call(fn, answer, err); err != nil {
				s.refused(event, err, Ack{})
			}
		}})
	})
	return nil
}

// refusal is why the one socket that was asked will certainly not answer.
func (c *call) refusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return tally{Asked: c.lost + c.refused, Lost: c.lost, Refused: c.refused}.problem(nil)
}

// taking is what a callback takes: arguments of the answer, and perhaps an error behind them.
type taking struct {
	signature
	failure bool
}

// inspectCallback tells what a function takes, or why it can be no callback.
func inspectCallback(t reflect.Type) (*taking, error) {
	if t.NumOut() > 0 {
		return nil, fmt.Errorf("it returns %s; return nothing", t.Out(0))
	}
	in := make([]reflect.Type, 0, t.NumIn())
	for i := range t.NumIn() {
		in = append(in, t.In(i))
	}
	c := &taking{}
	if n := len(in); n > 0 && in[n-1] == errorType { // then it is not variadic
		in, c.failure = in[:n-1], true
	}
	for _, of := range in {
		if of == contextType || of == ackType {
			return nil, fmt.Errorf("it takes a %s, which no answer has; take what the client answers, and an error behind it", of)
		}
	}
	sig, err := inspect(reflect.FuncOf(in, nil, t.IsVariadic()))
	if err != nil {
		return nil, err
	}
	c.signature = *sig
	return c, nil
}

// call calls the function with an answer, or, if it takes one, with the error. The error says that the answer is not what it takes, and nobody else is told.
func (c *taking) call(fn reflect.Value, answer Args, err error) error {
	var in []reflect.Value
	if err == nil {
		if in, err = c.values(nil, answer); err != nil && !c.failure {
			return err
		}
	}
	switch {
	case err != nil && !c.failure:
		return nil
	case err != nil:
		in = in[:0]
		for _, of := range c.args {
			in = append(in, reflect.Zero(of))
		}
		in = append(in, reflect.ValueOf(&err).Elem())
	case c.failure:
		in = append(in, reflect.Zero(errorType))
	}
	fn.Call(in)
	return nil
}
