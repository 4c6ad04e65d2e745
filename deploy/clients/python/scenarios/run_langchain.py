from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from scenario import Client, numbers, play


def spent(*all):
    return {"usage": [numbers(u["input_tokens"], u["output_tokens"]) for u in all], "reported": all}


class Chain(Client):
    """of makes a chat model of a place."""

    def __init__(self, of):
        self.of = of

    def plain(self, at, s):
        r = self.of(at, s.model).invoke(s.prompt)
        return {"text": r.text, **spent(r.usage_metadata)}

    def streamed(self, at, s):
        pieces, whole = [], None
        for chunk in self.of(at, s.model).stream(s.prompt):
            if chunk.text:
                pieces.append(chunk.text)
            whole = chunk if whole is None else whole + chunk
        return {"text": whole.text, "pieces": pieces, **spent(whole.usage_metadata)}

    def tools(self, at, s):
        llm = self.of(at, s.model).bind_tools([{"type": "function", "function": s.tool}])
        asked = [HumanMessage(s.prompt)]
        first = llm.invoke(asked)
        results = [ToolMessage(s.result, tool_call_id=c["id"]) for c in first.tool_calls]
        second = llm.invoke([*asked, first, *results])
        calls = [{"id": c["id"], "name": c["name"], "arguments": c["args"]} for c in first.tool_calls]
        return {"text": second.text, "calls": calls, **spent(first.usage_metadata, second.usage_metadata)}

    def structured(self, at, s):
        llm = self.of(at, s.model).with_structured_output(s.schema, method="json_schema", include_raw=True)
        r = llm.invoke(s.prompt)
        if r["parsing_error"]:
            raise r["parsing_error"]
        return {"value": r["parsed"], **spent(r["raw"].usage_metadata)}

    def abort(self, at, s):
        pieces = []
        stream = self.of(at, s.model).stream(s.prompt)
        for chunk in stream:
            if chunk.text:
                pieces.append(chunk.text)
            if len(pieces) == s.pieces:
                break
        stream.close()
        return {"pieces": pieces}


play(
    openai=Chain(lambda at, model: ChatOpenAI(model=model, base_url=at.openai, api_key=at.key, stream_usage=True)),
    anthropic=Chain(lambda at, model: ChatAnthropic(model=model, base_url=at.anthropic, api_key=at.key, max_tokens=1024)),
)
