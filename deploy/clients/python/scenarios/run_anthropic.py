import json

from anthropic import Anthropic
from scenario import Client, numbers, play


def client(at):
    return Anthropic(base_url=at.anthropic, api_key=at.key)


def asked(s):
    return {"model": s.model, "max_tokens": 1024, "messages": [{"role": "user", "content": s.prompt}]}


def said(message):
    return "".join(c.text for c in message.content if c.type == "text")


def spent(*all):
    return {"usage": [numbers(u.input_tokens, u.output_tokens) for u in all], "reported": all}


class Messages(Client):
    def plain(self, at, s):
        r = client(at).messages.create(**asked(s))
        return {"text": said(r), **spent(r.usage)}

    def streamed(self, at, s):
        with client(at).messages.stream(**asked(s)) as stream:
            pieces = list(stream.text_stream)
            r = stream.get_final_message()
        return {"text": said(r), "pieces": pieces, **spent(r.usage)}

    def tools(self, at, s):
        tool = {"name": s.tool["name"], "description": s.tool["description"], "input_schema": s.tool["parameters"]}
        ask = {**asked(s), "tools": [tool]}
        first = client(at).messages.create(**ask)
        calls = [c for c in first.content if c.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": c.id, "content": s.result} for c in calls]
        ask["messages"] += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        second = client(at).messages.create(**ask)
        return {
            "text": said(second),
            "calls": [{"id": c.id, "name": c.name, "arguments": c.input} for c in calls],
            **spent(first.usage, second.usage),
        }

    def structured(self, at, s):
        form = {"format": {"type": "json_schema", "schema": s.schema}}
        r = client(at).messages.create(**asked(s), output_config=form)
        return {"value": json.loads(said(r)), **spent(r.usage)}

    def abort(self, at, s):
        pieces = []
        with client(at).messages.create(**asked(s), stream=True) as stream:
            for event in stream:
                if event.type == "content_block_delta":
                    pieces.append(event.delta.text)
                if len(pieces) == s.pieces:
                    break
        return {"pieces": pieces}


play(messages=Messages())
