// Handlers: functions of the program, checked by reflection when they are registered and called with decoded arguments.

package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
)

// handler is what is called for an event, or, by the type of fn, for something else. Each client has some, so they are small: what a function
// takes is found by its type when it is called.
type handler struct {
	event string // "" for what is of no one event
	fn    any
}

// The types of fn that say more than that it is called for an event.
type (
	once          struct{ fn any } // for one event
	always        func(event string, args Args, ack Ack)
	middleware    func(*Event) error
	disconnecting func(reason string)
	disconnected  func(reason string)
)

// handles tells whether a handler is called for an event, as itself or once.
func (h *handler) handles(event string) bool {
	if h.event != event {
		return false
	}
	switch h.fn.(type) {
	case always, middleware, disconnecting, disconnected:
		return false
	}
	return true
}

// wrongArguments is the error of arguments that the program does not take.
type wrongArguments struct {
	told  string // to the client
	cause error  // in the program's words; nil if there is no more to say
}

func (e *wrongArguments) Error() string {
	if e.cause == nil {
		return e.told
	}
	return e.told + ": " + e.cause.Error()
}

func (e *wrongArguments) Unwrap() error { return e.cause }

// signature is what a function takes.
type signature struct {
	ctx, ack, fails bool
	args            []reflect.Type
	variadic        bool // the last of args is repeated
	whole           bool // the one argument is Args, which takes all that came
}

var (
	argsType    = reflect.TypeFor[Args]()
	contextType = reflect.TypeFor[context.Context]()
	ackType     = reflect.TypeFor[Ack]()
	errorType   = reflect.TypeFor[error]()
)

// signatures are those of the types of handlers there are, which are as many as the program has.
var signatures sync.Map // of *signature, by reflect.Type

// handle makes a handler of a function. It panics if nobody could ever call it: that is the program's mistake.
func handle(event string, fn any) handler {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		panic(fmt.Sprintf("socketio: the handler of %q is %T; give a function, as in s.On(\"join\", func(room string) { … })", event, fn))
	}
	signatureOf(event, v.Type())
	return handler{event, fn}
}

// call calls the function of a handler. s is nil for what another node emits.
func (h *handler) call(s *Socket, args Args, ack Ack) error {
	fn := h.fn
	if first, ok := fn.(once); ok {
		fn = first.fn
	}
	switch f := fn.(type) { // what needs no reflection
	case func():
		f()
	case func(Args):
		f(args)
	case func(Args, Ack):
		f(args, ack)
	case func(Ack):
		f(ack)
	default:
		v := reflect.ValueOf(fn)
		return signatureOf(h.event, v.Type()).invoke(v, s, args, ack)
	}
	return nil
}

func signatureOf(event string, t reflect.Type) *signature {
	if known, ok := signatures.Load(t); ok {
		return known.(*signature)
	}
	sig, err := inspect(t)
	if err != nil {
		panic(fmt.Sprintf("socketio: the handler of %q cannot be a %s: %v", event, t, err))
	}
	signatures.Store(t, sig)
	return sig
}

func inspect(t reflect.Type) (*signature, error) {
	sig := &signature{variadic: t.IsVariadic()}
	switch {
	case t.NumOut() == 1 && t.Out(0) == errorType:
		sig.fails = true
	case t.NumOut() > 0:
		return nil, fmt.Errorf("it returns %s; return nothing or an error, and answer by an argument of type socketio.Ack", t.Out(0))
	}
	for i := range t.NumIn() {
		in := t.In(i)
		switch {
		case in == contextType && i == 0:
			sig.ctx = true
		case in == contextType:
			return nil, fmt.Errorf("its argument %d is a context; put it first", i+1)
		case in == ackType && i == t.NumIn()-1:
			sig.ack = true
		case in == ackType:
			return nil, fmt.Errorf("its argument %d is a socketio.Ack; put it last", i+1)
		default:
			of := in
			if sig.variadic && i == t.NumIn()-1 {
				of = in.Elem()
			}
			if err := decodable(of); err != nil {
				return nil, fmt.Errorf("its argument %d: %w", i+1, err)
			}
			sig.args = append(sig.args, of)
		}
	}
	sig.whole = len(sig.args) == 1 && sig.args[0] == argsType && !sig.variadic
	return sig, nil
}

// decodable refuses types of which no client could ever send an argument, among them this package's own.
func decodable(t reflect.Type) error {
	for of := t; ; of = of.Elem() {
		switch {
		case of == argsType && of != t:
			return fmt.Errorf("no client sends a %s; take socketio.Args, as it is", t)
		}
		switch of {
		case reflect.TypeFor[Socket](), reflect.TypeFor[Event](), reflect.TypeFor[Namespace](), reflect.TypeFor[Server]():
			return fmt.Errorf("no client sends a %s; use the one of the function around the handler", of)
		case ackType:
			return fmt.Errorf("no client sends a %s; take a socketio.Ack as the last argument, as it is", t)
		}
		if of.Kind() != reflect.Pointer && of.Kind() != reflect.Slice {
			break
		}
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128, reflect.Uintptr:
		return fmt.Errorf("no JSON becomes a %s; take a type that encoding/json decodes", t)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("no JSON becomes a %s; take a type that encoding/json decodes", t)
		}
	}
	return nil
}

// invoke decodes the arguments and calls the function. Arguments beyond those that it takes are left out, as in JavaScript.
func (sig *signature) invoke(fn reflect.Value, s *Socket, args Args, ack Ack) error {
	in := make([]reflect.Value, 0, len(sig.args)+2)
	if sig.ctx {
		in = append(in, reflect.ValueOf(s.Context()))
	}
	in, err := sig.values(in, args)
	if err != nil {
		return err
	}
	if sig.ack {
		in = append(in, reflect.ValueOf(ack))
	}
	if out := fn.Call(in); sig.fails && !out[0].IsNil() {
		return out[0].Interface().(error)
	}
	return nil
}

// values appends the arguments as the function takes them.
func (sig *signature) values(in []reflect.Value, args Args) ([]reflect.Value, error) {
	fixed := len(sig.args)
	if sig.variadic {
		fixed--
	}
	if sig.whole {
		return append(in, reflect.ValueOf(args)), nil
	}
	for i := range fixed {
		v, err := args.value(i, sig.args[i], fixed)
		if err != nil {
			return nil, err
		}
		in = append(in, v)
	}
	for i := fixed; sig.variadic && i < args.Len(); i++ {
		v, err := args.value(i, sig.args[fixed], fixed)
		if err != nil {
			return nil, err
		}
		in = append(in, v)
	}
	return in, nil
}

// value is argument i as a type. One that has not come is nil if the type is a pointer or an interface, and otherwise an error.
func (a Args) value(i int, t reflect.Type, want int) (reflect.Value, error) {
	target := reflect.New(t)
	if i >= a.Len() {
		if k := t.Kind(); k == reflect.Pointer || k == reflect.Interface {
			return target.Elem(), nil
		}
		return target, tooFew(a.Len(), want)
	}
	if text := a.elements[i]; t.Kind() == reflect.String && t.PkgPath() == "" && text[0] == '"' { // the most common one
		var s string
		json.Unmarshal(text, &s)
		target.Elem().SetString(s)
		return target.Elem(), nil
	}
	err := a.decode(i, target.Interface())
	return target.Elem(), err
}

// with adds a handler to a list. A list is replaced and never changed, so that it may be read while it is added to.
func with(all []handler, h handler) []handler {
	list := make([]handler, len(all)+1) // append would make room for more
	copy(list, all)
	list[len(all)] = h
	return list
}
