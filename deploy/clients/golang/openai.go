// Package golang plays the scenarios of the client suite with OpenAI's Go
// client.
package golang

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/weirhq/weir/deploy/clients/scenario"
)

// player plays scenarios on one API at one place.
type player interface {
	plain(context.Context, scenario.Scenario) (*scenario.Result, error)
	streamed(context.Context, scenario.Scenario) (*scenario.Result, error)
	tools(context.Context, scenario.Scenario) (*scenario.Result, error)
	structured(context.Context, scenario.Scenario) (*scenario.Result, error)
	abort(context.Context, scenario.Scenario) (*scenario.Result, error)
}

// Play plays a run and returns an answer for each scenario and place.
func Play(ctx context.Context, run scenario.Run) []scenario.Answer {
	var out []scenario.Answer
	for _, s := range run.Scenarios {
		for _, place := range run.Places {
			client := openai.NewClient(option.WithBaseURL(place.URLs.OpenAI), option.WithAPIKey(place.Keys[s.Name]))
			a := scenario.Answer{Client: run.Client, Scenario: s.Name, Place: place.Name}
			result, err := play(ctx, map[string]player{"chat": chat{client}, "responses": responding{client}}[run.API], s)
			if err == nil {
				a.Result, err = json.Marshal(result)
			}
			if err != nil {
				a.Failed = err.Error()
			}
			out = append(out, a)
		}
	}
	return out
}

func play(ctx context.Context, p player, s scenario.Scenario) (*scenario.Result, error) {
	switch s.Name {
	case "plain":
		return p.plain(ctx, s)
	case "streamed":
		return p.streamed(ctx, s)
	case "tools":
		return p.tools(ctx, s)
	case "structured":
		return p.structured(ctx, s)
	case "error":
		return failing(ctx, p, s)
	case "abort":
		return p.abort(ctx, s)
	case "retry":
		return retried(ctx, p, s)
	default:
		return nil, fmt.Errorf("no scenario %q", s.Name)
	}
}

// failing is the client's own error.
func failing(ctx context.Context, p player, s scenario.Scenario) (*scenario.Result, error) {
	_, err := p.plain(ctx, s)
	var failed *openai.Error
	if !errors.As(err, &failed) {
		return nil, fmt.Errorf("the model that fails: %w", err)
	}
	return &scenario.Result{Error: &scenario.Error{
		Class: fmt.Sprintf("%T", failed), Status: failed.StatusCode, Message: failed.Message + failed.RawJSON(),
	}}, nil
}

// retried asks each model that fails once, and leaves the retry to the client.
func retried(ctx context.Context, p player, s scenario.Scenario) (*scenario.Result, error) {
	var all scenario.Result
	var texts []string
	for _, model := range s.Retried {
		s.Model = model
		r, err := p.plain(ctx, s)
		if err != nil {
			return nil, err
		}
		texts = append(texts, r.Text)
		all.Usage = append(all.Usage, r.Usage...)
	}
	all.Text = strings.Join(texts, "\n")
	return &all, nil
}

// reported is usage as the client has it.
type reported interface{ RawJSON() string }

// spent notes usage as the client has it.
func spent(r *scenario.Result, input, output int64, usage reported) {
	r.Usage = append(r.Usage, scenario.Usage{Input: input, Output: output})
	all, _ := r.Reported.([]json.RawMessage)
	r.Reported = append(all, json.RawMessage(usage.RawJSON()))
}

// parsed is JSON that came as text.
func parsed(text string) (any, error) {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("the model's JSON %q: %w", text, err)
	}
	return v, nil
}

// schemaOf is a schema as the client takes it, and its title.
func schemaOf(s scenario.Scenario) (map[string]any, string, error) {
	var schema map[string]any
	if err := json.Unmarshal(s.Schema, &schema); err != nil {
		return nil, "", fmt.Errorf("the schema: %w", err)
	}
	title, _ := schema["title"].(string)
	return schema, title, nil
}

// parametersOf are those of the tool, as the client takes them.
func parametersOf(s scenario.Scenario) (map[string]any, error) {
	var parameters map[string]any
	if err := json.Unmarshal(s.Tool.Parameters, &parameters); err != nil {
		return nil, fmt.Errorf("the parameters of the tool: %w", err)
	}
	return parameters, nil
}
