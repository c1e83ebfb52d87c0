//go:build !linux

package harness

func takeActivity() activity { return activity{} }
