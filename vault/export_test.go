package vault

// WithWork returns the seal with a cheap scrypt, so that tests stay fast.
func (s Seal) WithWork(logN int) Seal {
	s.work = logN
	return s
}
