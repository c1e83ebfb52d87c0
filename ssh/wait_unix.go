//go:build unix && !linux

package ssh

func (p *process) awaitExit() {
	p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
}
