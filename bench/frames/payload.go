package frames

// This file: what the messages say. Everything is a pure function of its arguments, so that the load generator and the
// floor server, which are different processes, agree on every byte.

import (
	"fmt"
	"math/rand/v2"
)

// Payload returns the binary payload of size bytes that every echo of that size carries.
func Payload(size int) []byte {
	random := rand.New(rand.NewPCG(uint64(size), 1))
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(random.Uint32())
	}
	return payload
}

// Documents returns count different JSON documents of exactly size bytes each: the state of a few instruments, as a
// dashboard would receive it. The keys repeat and the values do not, which is what compression meets in practice.
func Documents(count, size int) [][]byte {
	random := rand.New(rand.NewPCG(uint64(count), uint64(size)))
	documents := make([][]byte, count)
	for i := range documents {
		documents[i] = document(random, i, size)
	}
	return documents
}

func document(random *rand.Rand, number, size int) []byte {
	names := []string{"boiler", "intake", "turbine", "condenser", "feedwater", "exhaust"}
	states := []string{"running", "stopped", "starting", "degraded"}
	doc := fmt.Appendf(nil, `{"type":"readings","sequence":%d,"readings":[`, 100_000+number)
	const longestReading, tail = 160, `],"note":"` + `"}`
	for first := true; len(doc)+longestReading+len(tail) <= size; first = false {
		if !first {
			doc = append(doc, ',')
		}
		doc = fmt.Appendf(doc, `{"id":"%08x","name":"%s-%d","state":"%s","temperature":%.2f,"pressure":%.3f,"at":"2026-03-%02dT%02d:%02d:%02d.%03dZ"}`,
			random.Uint32(), names[random.IntN(len(names))], random.IntN(40), states[random.IntN(len(states))],
			20+random.Float64()*70, 0.9+random.Float64(),
			1+random.IntN(28), random.IntN(24), random.IntN(60), random.IntN(60), random.IntN(1000))
	}
	doc = append(doc, `],"note":"`...)
	for len(doc) < size-len(`"}`) {
		doc = append(doc, "abcdefghijklmnopqrstuvwxyz "[random.IntN(27)])
	}
	return append(doc, `"}`...)
}
