import json

from openai import OpenAI
from scenario import Client, numbers, play


def client(at):
    return OpenAI(base_url=at.openai, api_key=at.key)


def user(prompt):
    return [{"role": "user", "content": prompt}]


def response_format(s):
    return {"name": s.schema["title"], "schema": s.schema, "strict": True}


class Chat(Client):
    def create(self, at, s, **more):
        return client(at).chat.completions.create(**{"model": s.model, "messages": user(s.prompt), **more})

    def spent(self, *all):
        return {"usage": [numbers(u.prompt_tokens, u.completion_tokens) for u in all], "reported": all}

    def plain(self, at, s):
        r = self.create(at, s)
        return {"text": r.choices[0].message.content, **self.spent(r.usage)}

    def streamed(self, at, s):
        pieces, usage = [], None
        for chunk in self.create(at, s, stream=True, stream_options={"include_usage": True}):
            if chunk.choices and chunk.choices[0].delta.content:
                pieces.append(chunk.choices[0].delta.content)
            usage = chunk.usage or usage
        return {"text": "".join(pieces), "pieces": pieces, **self.spent(usage)}

    def tools(self, at, s):
        tools = [{"type": "function", "function": s.tool}]
        first = self.create(at, s, tools=tools)
        message = first.choices[0].message
        results = [{"role": "tool", "tool_call_id": c.id, "content": s.result} for c in message.tool_calls]
        second = self.create(at, s, tools=tools, messages=[*user(s.prompt), message, *results])
        calls = [
            {"id": c.id, "name": c.function.name, "arguments": json.loads(c.function.arguments)}
            for c in message.tool_calls
        ]
        return {"text": second.choices[0].message.content, "calls": calls, **self.spent(first.usage, second.usage)}

    def structured(self, at, s):
        r = self.create(at, s, response_format={"type": "json_schema", "json_schema": response_format(s)})
        return {"value": json.loads(r.choices[0].message.content), **self.spent(r.usage)}

    def abort(self, at, s):
        pieces = []
        with self.create(at, s, stream=True) as stream:
            for chunk in stream:
                if chunk.choices[0].delta.content:
                    pieces.append(chunk.choices[0].delta.content)
                if len(pieces) == s.pieces:
                    break
        return {"pieces": pieces}


class Responses(Client):
    def create(self, at, s, **more):
        return client(at).responses.create(**{"model": s.model, "input": s.prompt, **more})

    def spent(self, *all):
        return {"usage": [numbers(u.input_tokens, u.output_tokens) for u in all], "reported": all}

    def plain(self, at, s):
        r = self.create(at, s)
        return {"text": r.output_text, **self.spent(r.usage)}

    def streamed(self, at, s):
        pieces, usage = [], None
        for event in self.create(at, s, stream=True):
            if event.type == "response.output_text.delta":
                pieces.append(event.delta)
            elif event.type == "response.completed":
                usage = event.response.usage
        return {"text": "".join(pieces), "pieces": pieces, **self.spent(usage)}

    def tools(self, at, s):
        tools = [{"type": "function", **s.tool, "strict": True}]
        first = self.create(at, s, input=user(s.prompt), tools=tools)
        calls = [item for item in first.output if item.type == "function_call"]
        results = [{"type": "function_call_output", "call_id": c.call_id, "output": s.result} for c in calls]
        second = self.create(at, s, input=[*user(s.prompt), *first.output, *results], tools=tools)
        return {
            "text": second.output_text,
            "calls": [{"id": c.call_id, "name": c.name, "arguments": json.loads(c.arguments)} for c in calls],
            **self.spent(first.usage, second.usage),
        }

    def structured(self, at, s):
        r = self.create(at, s, text={"format": {"type": "json_schema", **response_format(s)}})
        return {"value": json.loads(r.output_text), **self.spent(r.usage)}

    def abort(self, at, s):
        pieces = []
        with self.create(at, s, stream=True) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    pieces.append(event.delta)
                if len(pieces) == s.pieces:
                    break
        return {"pieces": pieces}


play(chat=Chat(), responses=Responses())
