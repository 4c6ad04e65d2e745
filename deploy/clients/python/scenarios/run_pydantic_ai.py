import asyncio
from contextlib import asynccontextmanager

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent, NativeOutput, StructuredDict, Tool
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from scenario import Client, numbers, play


def spent(result):
    all = [m.usage for m in result.all_messages() if isinstance(m, ModelResponse)]
    return {
        "usage": [numbers(u.input_tokens, u.output_tokens) for u in all],
        "reported": [[u.input_tokens, u.output_tokens, u.details] for u in all],
    }


class Agents(Client):
    """of makes a model of a provider, whose client ends with the call."""

    def __init__(self, of):
        self.of = of

    def with_agent(self, at, s, use, **more):
        async def run():
            async with self.of(at, s.model) as model:
                return await use(Agent(model, **more))

        return asyncio.run(run())

    def plain(self, at, s):
        async def use(agent):
            r = await agent.run(s.prompt)
            return {"text": r.output, **spent(r)}

        return self.with_agent(at, s, use)

    def streamed(self, at, s):
        async def use(agent):
            async with agent.run_stream(s.prompt) as r:
                pieces = [piece async for piece in r.stream_text(delta=True, debounce_by=None)]
                return {"text": "".join(pieces), "pieces": pieces, **spent(r)}

        return self.with_agent(at, s, use)

    def tools(self, at, s):
        name, description, parameters = s.tool["name"], s.tool["description"], s.tool["parameters"]
        tool = Tool.from_schema(lambda **_: s.result, name, description, parameters)

        async def use(agent):
            r = await agent.run(s.prompt)
            calls = [p for m in r.all_messages() for p in m.parts if isinstance(p, ToolCallPart)]
            return {
                "text": r.output,
                "calls": [{"id": c.tool_call_id, "name": c.tool_name, "arguments": c.args_as_dict()} for c in calls],
                **spent(r),
            }

        return self.with_agent(at, s, use, tools=[tool])

    def structured(self, at, s):
        async def use(agent):
            r = await agent.run(s.prompt)
            return {"value": r.output, **spent(r)}

        return self.with_agent(at, s, use, output_type=NativeOutput(StructuredDict(s.schema, name=s.schema["title"])))

    def abort(self, at, s):
        async def use(agent):
            pieces = []
            async with agent.run_stream(s.prompt) as r:
                async for piece in r.stream_text(delta=True, debounce_by=None):
                    pieces.append(piece)
                    if len(pieces) == s.pieces:
                        break
                await r.cancel()
            return {"pieces": pieces}

        return self.with_agent(at, s, use)


def openai(kind):
    @asynccontextmanager
    async def of(at, model):
        async with AsyncOpenAI(base_url=at.openai, api_key=at.key) as client:
            yield kind(model, provider=OpenAIProvider(openai_client=client))

    return of


@asynccontextmanager
async def anthropic(at, model):
    async with AsyncAnthropic(base_url=at.anthropic, api_key=at.key) as client:
        yield AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client))


play(chat=Agents(openai(OpenAIChatModel)), responses=Agents(openai(OpenAIResponsesModel)), anthropic=Agents(anthropic))
