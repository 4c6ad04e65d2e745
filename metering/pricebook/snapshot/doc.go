// Package snapshot has the prices that the program ships: the snapshot of what
// vendors publish, and an overlay of what no catalogue has, dated and kept by
// hand. Both are files of comma-separated values that are made to be reviewed:
// lines that begin with # are comments, and one line of rates.csv holds the prices
// of several meters that have their conditions and dates in common.
package snapshot
