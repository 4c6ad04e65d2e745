// Package meteringtest holds the suites that every counter and every store must
// pass, and the services that they run against.
package meteringtest
