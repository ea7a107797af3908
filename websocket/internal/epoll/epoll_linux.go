// One epoll instance and the eventfd that wakes whoever waits in it.

package epoll

import "golang.org/x/sys/unix"

// Poll is an epoll instance, level-triggered. One goroutine waits in it; what says so may be called by others.
type Poll struct {
	epoll int
	waker int // an eventfd
}

// Event is a descriptor that is ready.
type Event = unix.EpollEvent

// What a descriptor can be watched for, and what an event can say.
const (
	In     = unix.EPOLLIN
	HungUp = unix.EPOLLRDHUP
	Out    = unix.EPOLLOUT
)

// waker is the data of the eventfd's events; nobody else may have it.
const waker = ^uint64(0)

// New returns an epoll instance. The caller closes it.
func New() (*Poll, error) {
	p := new(Poll)
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if p.waker, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(p.epoll)
		return nil, err
	}
	if err = p.Add(int32(p.waker), In, waker); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close closes it. Nobody may wake it any more: its descriptors may be another's at once.
func (p *Poll) Close() {
	unix.Close(p.epoll)
	unix.Close(p.waker)
}

// Add watches fd for what mask says. Its events carry data.
func (p *Poll) Add(fd int32, mask uint32, data uint64) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, mask, data)
}

// Change has fd, which is watched, watched for something else.
func (p *Poll) Change(fd int32, mask uint32, data uint64) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, mask, data)
}

// Remove ends the watching of fd. Closing its last descriptor does so, too.
func (p *Poll) Remove(fd int32) { unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(fd), nil) }

func (p *Poll) control(op int, fd int32, mask uint32, data uint64) error {
	ev := Event{Events: mask, Fd: int32(uint32(data)), Pad: int32(data >> 32)}
	return unix.EpollCtl(p.epoll, op, int(fd), &ev)
}

// Data is what an event's descriptor was added with; ok is false for the event of Wake, which Data has dealt with then.
func (p *Poll) Data(ev *Event) (data uint64, ok bool) {
	data = uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
	if data == waker {
		var count [8]byte
		unix.Read(p.waker, count[:])
		return 0, false
	}
	return data, true
}

// Wait waits until something is ready, or Wake is called, and returns how much of ready it has filled: 0 after a signal.
func (p *Poll) Wait(ready []Event) int {
	n, err := unix.EpollWait(p.epoll, ready, -1)
	if err != nil {
		return 0
	}
	return n
}

// Wake ends the Wait that is under way, or the next one. It may be called from any goroutine.
func (p *Poll) Wake() {
	var one = [8]byte{1}
	unix.Write(p.waker, one[:])
}
