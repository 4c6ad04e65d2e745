// Package e2e holds the tests that run the real program: built once, started
// as a process, used through its ports and its commands, killed and started
// again. Nothing here imports what it tests.
package e2e
