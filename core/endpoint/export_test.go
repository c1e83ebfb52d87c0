package endpoint

// CountLoopback makes loopback addresses count against the limits, since tests
// have no others.
func (e *Endpoint) CountLoopback() { e.countLoopback = true }

// Kill ends the sockets without a word to anybody, as a crash would.
func (e *Endpoint) Kill() {
	for _, s := range e.sockets {
		s.transport.Close() // first: the loss of tcp would end things in good order
		s.tcp.Close()
	}
}
