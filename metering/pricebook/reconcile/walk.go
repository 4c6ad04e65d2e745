package reconcile

// Walk calls visit for every row, each before those beneath it, until it
// returns false.
func (r *Report) Walk(visit func(*Row) bool) { walk(&r.Totals, visit) }

func walk(r *Row, visit func(*Row) bool) bool {
	if !visit(r) {
		return false
	}
	for i := range r.Rows {
		if !walk(&r.Rows[i], visit) {
			return false
		}
	}
	return true
}

// Prune leaves out the rows that agree, deepest first, until at most so many
// are left, and then those that differ least. It reports how many it left out.
func (r *Report) Prune(most int) int {
	count := func() (n int) {
		r.Walk(func(*Row) bool { n++; return true })
		return n
	}
	before := count()
	for _, step := range []struct {
		level Level
		rank  int
	}{{LevelKey, 1}, {LevelDay, 1}, {LevelModel, 1}, {LevelKey, 3}, {LevelDay, 3}, {LevelModel, 3}} {
		over := count() - most
		if over <= 0 {
			break
		}
		r.Totals.prune(step.level, step.rank, &over)
	}
	return before - count()
}

// prune leaves out rows of a level whose verdict is no worse than the rank, the
// last of each list first, until none is over.
func (r *Row) prune(level Level, rank int, over *int) {
	for i := len(r.Rows) - 1; i >= 0 && *over > 0; i-- {
		row := &r.Rows[i]
		if row.Level != level {
			row.prune(level, rank, over)
			continue
		}
		if row.Verdict.rank() > rank || len(row.Rows) > 0 {
			continue
		}
		r.Rows = append(r.Rows[:i:i], r.Rows[i+1:]...)
		*over--
	}
}
