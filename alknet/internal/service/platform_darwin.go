package service

// ForHost is the manager of this system.
func ForHost(h Host) (Manager, error) { return launchd{h}, nil }
