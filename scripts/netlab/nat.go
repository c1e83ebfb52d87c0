package netlab

type NAT struct{}

func (n *NAT) outbound(p *packet) {}
