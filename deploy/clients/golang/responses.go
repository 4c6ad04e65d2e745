package golang

import (
	"context"
	"fmt"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"

	"github.com/weirhq/weir/deploy/clients/scenario"
)

// responding plays on the responses API.
type responding struct{ openai.Client }

func (responding) params(s scenario.Scenario) responses.ResponseNewParams {
	return responses.ResponseNewParams{Model: s.Model, Input: responses.ResponseNewParamsInputUnion{
		OfInputItemList: []responses.ResponseInputItemUnionParam{responses.ResponseInputItemParamOfMessage(s.Prompt, responses.EasyInputMessageRoleUser)},
	}}
}

func (c responding) ask(ctx context.Context, p responses.ResponseNewParams, r *scenario.Result) (*responses.Response, error) {
	answer, err := c.Responses.New(ctx, p)
	if err != nil {
		return nil, err
	}
	spent(r, answer.Usage.InputTokens, answer.Usage.OutputTokens, answer.Usage)
	r.Text = answer.OutputText()
	return answer, nil
}

func (c responding) plain(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r := new(scenario.Result)
	_, err := c.ask(ctx, c.params(s), r)
	return r, err
}

func (c responding) streamed(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r := new(scenario.Result)
	stream := c.Responses.NewStreaming(ctx, c.params(s))
	for stream.Next() {
		switch event := stream.Current(); event.Type {
		case "response.output_text.delta":
			r.Pieces = append(r.Pieces, event.Delta)
		case "response.completed":
			spent(r, event.Response.Usage.InputTokens, event.Response.Usage.OutputTokens, event.Response.Usage)
		}
	}
	r.Text = strings.Join(r.Pieces, "")
	return r, stream.Err()
}

func (c responding) tools(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r, p := new(scenario.Result), c.params(s)
	parameters, err := parametersOf(s)
	if err != nil {
		return nil, err
	}
	p.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{
		Name: s.Tool.Name, Description: openai.String(s.Tool.Description), Parameters: parameters, Strict: openai.Bool(true),
	}}}
	first, err := c.ask(ctx, p, r)
	if err != nil {
		return nil, err
	}
	items := p.Input.OfInputItemList
	for _, item := range first.Output {
		if item.Type != "function_call" {
			continue
		}
		arguments, err := parsed(item.Arguments.OfString)
		if err != nil {
			return nil, err
		}
		r.Calls = append(r.Calls, scenario.Call{ID: item.CallID, Name: item.Name, Arguments: arguments})
		items = append(items,
			responses.ResponseInputItemParamOfFunctionCall(item.Arguments.OfString, item.CallID, item.Name),
			responses.ResponseInputItemUnionParam{OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{
				CallID: openai.String(item.CallID),
				Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: openai.String(s.Result)},
			}})
	}
	p.Input.OfInputItemList = items
	if _, err := c.ask(ctx, p, r); err != nil {
		return nil, fmt.Errorf("with the result of the tool: %w", err)
	}
	return r, nil
}

func (c responding) structured(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r, p := new(scenario.Result), c.params(s)
	schema, title, err := schemaOf(s)
	if err != nil {
		return nil, err
	}
	p.Text = responses.ResponseTextConfigParam{Format: responses.ResponseFormatTextConfigUnionParam{
		OfJSONSchema: &responses.ResponseFormatTextJSONSchemaConfigParam{Name: title, Schema: schema, Strict: openai.Bool(true)},
	}}
	if _, err := c.ask(ctx, p, r); err != nil {
		return nil, err
	}
	r.Value, err = parsed(r.Text)
	return r, err
}

func (c responding) abort(ctx context.Context, s scenario.Scenario) (*scenario.Result, error) {
	r := new(scenario.Result)
	stream := c.Responses.NewStreaming(ctx, c.params(s))
	for len(r.Pieces) < s.Pieces && stream.Next() {
		if event := stream.Current(); event.Type == "response.output_text.delta" {
			r.Pieces = append(r.Pieces, event.Delta)
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	return r, stream.Close()
}
