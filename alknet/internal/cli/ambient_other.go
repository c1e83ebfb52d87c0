//go:build !linux

package cli

func noAmbientRights() error { return nil }
