package clients_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/deploy/clients/box"
	"github.com/weirhq/weir/deploy/clients/golang"
	"github.com/weirhq/weir/deploy/clients/scenario"
)

// client is an SDK on one of its APIs: a line of the table.
type client struct {
	name    string
	program string // that plays it; .js, .py or .go
	api     string // as the program calls it
	models  string // of which API, in the table of scenarios
	prefix  string // of the models that fail
}

// roster are the clients of the suite. LlamaIndex asks only for models that it
// knows, or that are tuned ones of those.
func roster() []client {
	return []client{
		{"openai-python chat", "openai.py", "chat", "openai", ""},
		{"openai-python responses", "openai.py", "responses", "openai", ""},
		{"openai-node chat", "openai.js", "chat", "openai", ""},
		{"openai-node responses", "openai.js", "responses", "openai", ""},
		{"openai-go chat", "openai.go", "chat", "openai", ""},
		{"openai-go responses", "openai.go", "responses", "openai", ""},
		{"anthropic-python", "anthropic.py", "messages", "anthropic", ""},
		{"anthropic-node", "anthropic.js", "messages", "anthropic", ""},
		{"google-python", "google.py", "generate", "gemini", ""},
		{"google-node", "google.js", "generate", "gemini", ""},
		{"vercel-ai openai chat", "ai.js", "openai-chat", "openai", ""},
		{"vercel-ai openai responses", "ai.js", "openai-responses", "openai", ""},
		{"vercel-ai anthropic", "ai.js", "anthropic", "anthropic", ""},
		{"vercel-ai google", "ai.js", "google", "gemini", ""},
		{"pydantic-ai openai chat", "pydantic_ai.py", "chat", "openai", ""},
		{"pydantic-ai openai responses", "pydantic_ai.py", "responses", "openai", ""},
		{"pydantic-ai anthropic", "pydantic_ai.py", "anthropic", "anthropic", ""},
		{"langchain openai", "langchain.py", "openai", "openai", ""},
		{"langchain anthropic", "langchain.py", "anthropic", "anthropic", ""},
		{"llamaindex openai", "llamaindex.py", "openai", "openai", "ft:gpt-4o-mini:"},
	}
}

// programs are the programs of a roster, in its order.
func programs(all []client) []string {
	var out []string
	for _, c := range all {
		if len(out) == 0 || out[len(out)-1] != c.program {
			out = append(out, c.program)
		}
	}
	return out
}

// play has a program play its plan and returns what it answers. Without the
// program's interpreter the test is skipped, or fails where all must be there.
func play(t *testing.T, program string, plan scenario.Plan) []scenario.Answer {
	t.Helper()
	name, kind := strings.TrimSuffix(program, filepath.Ext(program)), filepath.Ext(program)
	switch kind {
	case ".go":
		return inProcess(t.Context(), plan)
	case ".js":
		return piped(t, plan, box.Node(t, "node_modules"), filepath.Join("node", program))
	default:
		return piped(t, plan, python(t, name), "-W", "ignore", filepath.Join("python", "scenarios", "run_"+program))
	}
}

// python is the interpreter of a program: LlamaIndex has its own, because it
// wants an older openai than the one that is tested.
func python(t *testing.T, name string) string {
	t.Helper()
	if name == "llamaindex" {
		return box.Python(t, "python/.venv-llamaindex")
	}
	return box.Python(t, "python/.venv")
}

// inProcess plays a plan's runs at the same time.
func inProcess(ctx context.Context, plan scenario.Plan) []scenario.Answer {
	answers := make(chan []scenario.Answer)
	for _, run := range plan.Runs {
		go func() { answers <- golang.Play(ctx, run) }()
	}
	var out []scenario.Answer
	for range plan.Runs {
		out = append(out, <-answers...)
	}
	return out
}

// piped runs a program with the plan on its standard input.
func piped(t *testing.T, plan any, args ...string) []scenario.Answer {
	t.Helper()
	input, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	out, complaint, err := command(t, string(input), nil, args...)
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, complaint)
	}
	var answers []scenario.Answer
	for line := range strings.Lines(out) {
		var a scenario.Answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Errorf("%s printed %q: %v", strings.Join(args, " "), line, err)
			continue
		}
		answers = append(answers, a)
	}
	return answers
}

// command runs a program and returns what it printed and how it complained.
func command(t *testing.T, input string, env []string, args ...string) (out, complaint string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(box.Environment(), env...)
	cmd.Stdin = strings.NewReader(input)
	var printed, complained strings.Builder
	cmd.Stdout, cmd.Stderr = &printed, &complained
	cmd.WaitDelay = patience / 10
	err = cmd.Run()
	return printed.String(), complained.String(), err
}

// TestRoster: every program in node/ and python/scenarios is played.
func TestRoster(t *testing.T) {
	t.Parallel()
	played := map[string]bool{"scenario.js": true, "recording.js": true}
	for _, c := range roster() {
		played[c.program] = true
	}
	for _, pattern := range []string{"node/*.js", "python/scenarios/run_*.py"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, f := range files {
			if !played[strings.TrimPrefix(filepath.Base(f), "run_")] {
				t.Errorf("nobody plays %s", f)
			}
		}
	}
	if _, err := os.Stat("scenarios.json"); err != nil {
		t.Error(err)
	}
}
