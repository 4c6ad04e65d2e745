package sandbox

// BreakFile makes every further write fail.
func (p *Provider) BreakFile() error { return p.memory.file.Close() }
