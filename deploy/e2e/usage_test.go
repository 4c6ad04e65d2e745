package e2e_test

// usage is what `weir usage --json` prints.
type usage struct {
	Rows   []map[string]any `json:"rows"`
	Totals totals           `json:"totals"`
}

type totals struct {
	Requests     int64  `json:"requests"`
	Input        int64  `json:"input"`
	CacheRead    int64  `json:"cache_read"`
	CacheWrite   int64  `json:"cache_write"`
	Output       int64  `json:"output"`
	Reasoning    int64  `json:"reasoning"`
	AudioInput   int64  `json:"audio_input"`
	AudioOutput  int64  `json:"audio_output"`
	ImageInput   int64  `json:"image_input"`
	ImageOutput  int64  `json:"image_output"`
	Total        int64  `json:"total"`
	InputTokens  int64  `json:"input_tokens"`
	OutputTokens int64  `json:"output_tokens"`
	CostUSD      string `json:"cost_usd"`
	Charge       string `json:"charge"`
	Currency     string `json:"currency"`
	Estimated    int64  `json:"estimated"`
	Unpriced     int64  `json:"unpriced"`
}

// classes is the sum of the disjoint classes, which must be the total.
func (u totals) classes() int64 {
	return u.Input + u.CacheRead + u.CacheWrite + u.Output + u.Reasoning +
		u.AudioInput + u.AudioOutput + u.ImageInput + u.ImageOutput
}

// usage asks for a customer's usage, after waiting for what was answered.
func (p *process) usage(customer string, args ...string) usage {
	p.t.Helper()
	var u usage
	p.decode(&u, append([]string{"usage", "--customer", customer, "--sync"}, args...)...)
	if got := u.Totals.classes(); got != u.Totals.Total {
		p.t.Errorf("classes of %s sum to %d, total is %d", customer, got, u.Totals.Total)
	}
	return u
}
