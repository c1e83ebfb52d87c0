package call

// Peers is what connected peers offer. The zero value and nil offer nothing.
type Peers struct{}

// exposed returns what an exposure rule opens to other nodes under a name.
func (p *Peers) exposed(string) *entry { return nil }

// imported returns an operation that a peer offers, under the name that it has
// here; of the first peer that has it if peer is empty.
func (p *Peers) imported(peer, name string) *entry { return nil }

// names returns the peers that offer something, in the order of their coming,
// in memory of its own.
func (p *Peers) names() []string { return nil }

// exposedBy returns what exposure rules open of one peer's operations, in
// memory of its own.
func (p *Peers) exposedBy(peer string) []*entry { return nil }
