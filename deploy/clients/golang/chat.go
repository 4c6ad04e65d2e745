package golang

import (
	"context"
	"fmt"
	"strings"

	"github.com/openai/openai-go/v3"

	"github.com/weirhq/weir/deploy/clients/scenario"
)

// chat plays on chat completions.
type chat struct{ openai.Client }

func (chat) params(s scenario.Scenario) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: s.Model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(s.Prompt)}}
}

func (c chat) ask(ctx context.Context, p openai.ChatCompletionNewParams, r *scenario.Result) (openai.ChatCompletionMessage, error) {
	answer, err := c.Chat.Completions.New(ctx, p)
	if err != nil {
		return openai.ChatCompletionMessage{}, err
	}
	spent(r, answer.Usage.PromptTokens, answer.Usage.CompletionTokens, answer.Usage)
	r.Text = answer.Choices[0].Message.Content
	return answer.Choices[0].Message, nil
}

func (c chat) plain(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r := new(scenario.Result)
	_, err := c.ask(ctx, c.params(s), r)
	return r, err
}

func (c chat) streamed(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r, p := new(scenario.Result), c.params(s)
	p.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	stream := c.Chat.Completions.NewStreaming(ctx, p)
	for stream.Next() {
		chunk := stream.Current()
		if len(chunk.Choices) > 0 && chunk.Choices[0].Delta.Content != "" {
			r.Pieces = append(r.Pieces, chunk.Choices[0].Delta.Content)
		}
		if chunk.JSON.Usage.Valid() {
			spent(r, chunk.Usage.PromptTokens, chunk.Usage.CompletionTokens, chunk.Usage)
		}
	}
	r.Text = strings.Join(r.Pieces, "")
	return r, stream.Err()
}

func (c chat) tools(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r, p := new(scenario.Result), c.params(s)
	parameters, err := parametersOf(s)
	if err != nil {
		return nil, err
	}
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: s.Tool.Name, Description: openai.String(s.Tool.Description), Parameters: parameters,
	})}
	first, err := c.ask(ctx, p, r)
	if err != nil {
		return nil, err
	}
	p.Messages = append(p.Messages, first.ToParam())
	for _, call := range first.ToolCalls {
		arguments, err := parsed(call.Function.Arguments)
		if err != nil {
			return nil, err
		}
		r.Calls = append(r.Calls, scenario.Call{ID: call.ID, Name: call.Function.Name, Arguments: arguments})
		p.Messages = append(p.Messages, openai.ToolMessage(s.Result, call.ID))
	}
	if _, err := c.ask(ctx, p, r); err != nil {
		return nil, fmt.Errorf("with the result of the tool: %w", err)
	}
	return r, nil
}

func (c chat) structured(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r, p := new(scenario.Result), c.params(s)
	schema, title, err := schemaOf(s)
	if err != nil {
		return nil, err
	}
	p.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &openai.ResponseFormatJSONSchemaParam{
		JSONSchema: openai.ResponseFormatJSONSchemaJSONSchemaParam{Name: title, Schema: schema, Strict: openai.Bool(true)},
	}}
	if _, err := c.ask(ctx, p, r); err != nil {
		return nil, err
	}
	r.Value, err = parsed(r.Text)
	return r, err
}

func (c chat) abort(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r := new(scenario.Result)
	stream := c.Chat.Completions.NewStreaming(ctx, c.params(s))
	for len(r.Pieces) < s.Pieces && stream.Next() {
		if chunk := stream.Current(); len(chunk.Choices) > 0 && chunk.Choices[0].Delta.Content != "" {
			r.Pieces = append(r.Pieces, chunk.Choices[0].Delta.Content)
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	return r, stream.Close()
}
