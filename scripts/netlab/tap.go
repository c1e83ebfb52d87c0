package netlab

// tap writes what passes the device of a host to a file.
type tap struct{}

func (t *tap) packet([]byte) {}

func (h *Host) startCapture(string) error { return nil }
