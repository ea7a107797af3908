package buffers

import (
	"bytes"
	"testing"
)

func TestGetHoldsWhatWasAskedFor(t *testing.T) {
	for _, size := range []int{0, 1, Min - 1, Min, Min + 1, 4095, 4096, 4097, Max - 1, Max, Max + 1, 3 * Max} {
		b := Get(size)
		if len(b) != 0 || cap(b) < size {
			t.Errorf("Get(%d): length %d, capacity %d", size, len(b), cap(b))
		}
		Put(b)
		if again := Get(size); cap(again) < size {
			t.Errorf("Get(%d) after Put: capacity %d", size, cap(again))
		}
	}
}

func TestPutIgnoresForeignBuffers(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 3), make([]byte, 0, 1000), make([]byte, 0, 2*Max)} {
		Put(b)
	}
	if b := Get(1000); cap(b) < 1000 {
		t.Errorf("capacity %d after a foreign buffer was put back", cap(b))
	}
}

func TestAppendKeepsTheBytes(t *testing.T) {
	var b []byte
	var want []byte
	for i := range 3000 {
		p := bytes.Repeat([]byte{byte(i)}, i%7)
		b, want = Append(b, p), append(want, p...)
	}
	if !bytes.Equal(b, want) {
		t.Error("appended bytes differ")
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Log("under the race detector sync.Pool drops at random; the count says nothing")
		return
	}
	Put(Get(4096))
	if n := testing.AllocsPerRun(1000, func() { Put(Get(4096)) }); n >= 1 {
		t.Errorf("%v allocations for Get and Put", n)
	}
}
