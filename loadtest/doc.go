// Package loadtest puts load on a WebSocket server and says how it bore it. There are three kinds:
//
//   - [Idle] opens connections, lets each be echoed once if the server is an echo, and holds them: what does a connection
//     cost that says nothing?
//   - [Echo] sends messages over many connections to a server that sends each back.
//   - [Fanout] publishes over one connection to a server that sends what one client says to all of them.
//
// For example:
//
//	result, err := loadtest.Echo(ctx, loadtest.Options{
//		URL:         "ws://127.0.0.1:9001/",
//		Connections: 1000,
//		Duration:    10 * time.Second,
//	})
//	if err != nil {
//		return err
//	}
//	fmt.Println(result.Rate(), result.Latencies.Percentile(0.99), result.Errors)
//
// Any ws or wss URL will do. Each message is compared with what was sent, and whatever goes wrong is counted by its kind
// in [Result.Errors]; an error is returned only when there is nothing to report. When the context ends the run ends
// early, with a result of what has been so far.
//
// # What the figures mean
//
// Without [Options.Rate] the next message leaves when there is room in flight: the server is asked for all it can do, and
// latency is mostly queueing. With a rate, messages are due at fixed times, and latency counts from when a message was due,
// so that a server that stalls is not spared the messages that could not be sent meanwhile.
//
// The client lives on the same processors as the server when both run on one machine, and takes its share of them. The
// processor time of the server, which [Options.PID] asks for, is then the better figure.
package loadtest
