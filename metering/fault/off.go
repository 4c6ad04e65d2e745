//go:build !faults

package fault

// At is a point at which the process may be killed.
func At(string) {}

// Err is a point at which an operation may fail. Here it never does.
func Err(string) error { return nil }
