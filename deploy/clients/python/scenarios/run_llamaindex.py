import json

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.llms.openai import OpenAI
from scenario import Client, numbers, play


def client(at, model, **more):
    return OpenAI(model=model, api_base=at.openai, api_key=at.key, **more)


def user(prompt):
    return ChatMessage(role="user", content=prompt)


def spent(*all):
    return {"usage": [numbers(u.prompt_tokens, u.completion_tokens) for u in all], "reported": all}


class Tool(ToolMetadata):
    """A tool whose parameters are the scenario's, as they stand."""

    def __init__(self, tool):
        super().__init__(name=tool["name"], description=tool["description"])
        self.parameters = tool["parameters"]

    def get_parameters_dict(self):
        return self.parameters


class Chat(Client):
    def plain(self, at, s):
        r = client(at, s.model).chat([user(s.prompt)])
        return {"text": r.message.content, **spent(r.raw.usage)}

    def streamed(self, at, s):
        pieces, usage = [], None
        options = {"stream_options": {"include_usage": True}}
        for chunk in client(at, s.model, additional_kwargs=options).stream_chat([user(s.prompt)]):
            if chunk.delta:
                pieces.append(chunk.delta)
            usage = chunk.raw.usage or usage
        return {"text": "".join(pieces), "pieces": pieces, **spent(usage)}

    def tools(self, at, s):
        llm = client(at, s.model)
        tools = [FunctionTool(fn=lambda **_: s.result, metadata=Tool(s.tool))]
        asked = [user(s.prompt)]
        first = llm.chat_with_tools(tools, chat_history=asked)
        calls = llm.get_tool_calls_from_response(first)
        results = [
            ChatMessage(role="tool", content=s.result, additional_kwargs={"tool_call_id": c.tool_id}) for c in calls
        ]
        second = llm.chat_with_tools(tools, chat_history=[*asked, first.message, *results])
        return {
            "text": second.message.content,
            "calls": [{"id": c.tool_id, "name": c.tool_name, "arguments": c.tool_kwargs} for c in calls],
            **spent(first.raw.usage, second.raw.usage),
        }

    def structured(self, at, s):
        form = {"type": "json_schema", "json_schema": {"name": s.schema["title"], "schema": s.schema, "strict": True}}
        r = client(at, s.model).chat([user(s.prompt)], response_format=form)
        return {"value": json.loads(r.message.content), **spent(r.raw.usage)}

    def abort(self, at, s):
        pieces = []
        stream = client(at, s.model).stream_chat([user(s.prompt)])
        for chunk in stream:
            if chunk.delta:
                pieces.append(chunk.delta)
            if len(pieces) == s.pieces:
                break
        stream.close()
        return {"pieces": pieces}


play(openai=Chat())
