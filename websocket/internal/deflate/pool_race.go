//go:build race

package deflate

import "sync"

// pool stands in for sync.Pool, which forgets at random under the race detector. A compressor takes 1 MB, and with the detector it takes
// longer to make one than to compress most messages.
type pool struct {
	New func() any

	mu   sync.Mutex // guards what follows
	kept []any
}

// mostKept is more than are in use at once: one for each processor or a few more.
const mostKept = 8

func (p *pool) Get() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.kept) - 1; last >= 0 {
		x := p.kept[last]
		p.kept = p.kept[:last]
		return x
	}
	if p.New == nil {
		return nil
	}
	return p.New()
}

func (p *pool) Put(x any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) < mostKept {
		p.kept = append(p.kept, x)
	}
}
