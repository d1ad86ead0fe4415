package embedded

import (
	"os/exec"
	"syscall"
	"time"
)

// Child is another program that was started as the servers are: it ends with
// this process, even when that is killed, and a terminal's Ctrl-C does not
// reach it. Stop it when done.
type Child struct{ p *process }

// Start starts cmd, whose SysProcAttr is set here. death is the signal that it
// gets when this process is killed.
func Start(cmd *exec.Cmd, death syscall.Signal) (*Child, error) {
	cmd.SysProcAttr = new(syscall.SysProcAttr)
	tie(cmd.SysProcAttr, death)
	p, err := start(cmd)
	if err != nil {
		return nil, err
	}
	return &Child{p}, nil
}

// PID is the child's process.
func (c *Child) PID() int { return c.p.cmd.Process.Pid }

// Done is closed when the child has ended; Err then says how.
func (c *Child) Done() <-chan struct{} { return c.p.done }

// Err is how the child ended; nil: well. It may be asked once Done is closed.
func (c *Child) Err() error { return c.p.err }

// Stop asks the child to end, kills it when it has not within patience, and
// returns when it has. It may be called again.
func (c *Child) Stop(patience time.Duration) {
	select {
	case <-c.p.done: // its number may be another's by now
	default:
		c.p.stop(request{syscall.SIGTERM, patience})
	}
}
