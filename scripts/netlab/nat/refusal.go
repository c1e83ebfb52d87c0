package nat

// Refusal is the error for a packet that does not pass, and says why. Compare it
// with errors.Is or ==.
type Refusal uint8

const (
	// NoMapping: nothing inside has this port, or no longer.
	NoMapping Refusal = iota + 1
	// Filtered: the mapping exists, but the sender is not admitted by the Kind.
	Filtered
	// Unsupported: a protocol that the NAT does not translate, or IPv6.
	Unsupported
	// Fragment: part of an IPv4 packet.
	Fragment
	// Malformed: shorter than its headers say, or not IP.
	Malformed
	// Full: there is no room for another mapping or peer.
	Full
	// NoHairpin: sent from inside to the outside address of a NAT without
	// Config.Hairpin.
	NoHairpin

	refusals // one more than the last
)

func (r Refusal) Error() string {
	switch r {
	case NoMapping:
		return "nat: no mapping for this destination"
	case Filtered:
		return "nat: the sender is filtered"
	case Unsupported:
		return "nat: protocol is not translated"
	case Fragment:
		return "nat: fragments are not translated"
	case Malformed:
		return "nat: malformed packet"
	case Full:
		return "nat: mapping table is full"
	case NoHairpin:
		return "nat: no hairpinning to the outside address"
	}
	return "nat: refused"
}
