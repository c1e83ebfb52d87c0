package link

const (
	protocolUDP = 17

	hopByHop           = 0 // extension headers of RFC 8200 §4
	routing            = 43
	fragment           = 44
	authentication     = 51 // RFC 4302 §2
	destinationOptions = 60
)

func isUDP(packet []byte) bool {
	if len(packet) == 0 {
		return false
	}
	switch packet[0] >> 4 {
	case 4:
		return len(packet) >= 20 && packet[9] == protocolUDP
	case 6:
		return len(packet) >= 40 && upperProtocol(packet[6], packet[40:]) == protocolUDP
	}
	return false
}

// upperProtocol walks the extension headers of an IPv6 packet.
func upperProtocol(next byte, rest []byte) byte {
	for {
		var size int
		switch next {
		case hopByHop, routing, destinationOptions, authentication:
			if len(rest) < 2 {
				return next
			}
			size = 8 * (1 + int(rest[1]))
			if next == authentication {
				size = 4 * (2 + int(rest[1]))
			}
		case fragment:
			size = 8
		default:
			return next
		}
		if len(rest) < size {
			return next
		}
		next, rest = rest[0], rest[size:]
	}
}
