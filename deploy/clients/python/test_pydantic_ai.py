import asyncio

from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from same import MODEL, QUESTION, Same


class Weather(BaseModel):
    city: str
    celsius: float


async def with_agent(at, of, use, **more):
    async with AsyncOpenAI(base_url=at.openai, api_key=at.key, max_retries=0, timeout=30) as openai:
        model = of(more.pop("model", MODEL), provider=OpenAIProvider(openai_client=openai))
        return await use(Agent(model, instructions="You are a hydrologist.", **more))


async def generated(agent):
    result = await agent.run(QUESTION)
    return [result.output, result.usage.input_tokens, result.usage.output_tokens, result.usage.requests]


async def streamed(agent):
    async with agent.run_stream(QUESTION) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        return [pieces, result.usage.input_tokens, result.usage.output_tokens]


class TestPydanticAI(Same):
    def agents(self, at, use, of=OpenAIChatModel, **more):
        return asyncio.run(with_agent(at, of, use, **more))

    def test_chat(self):
        self.same(lambda at: self.agents(at, generated))

    def test_chat_streamed(self):
        self.same(
            lambda at: self.agents(at, streamed),
            check=lambda r: self.assertTrue(len(r[0]) > 1 and r[1] > 0 and r[2] > 0, r),
        )

    def test_responses(self):
        self.same(lambda at: self.agents(at, generated, of=OpenAIResponsesModel))

    def test_responses_streamed(self):
        self.same(
            lambda at: self.agents(at, streamed, of=OpenAIResponsesModel),
            check=lambda r: self.assertTrue(len(r[0]) > 1 and r[1] > 0 and r[2] > 0, r),
        )

    def test_structured_output(self):
        self.same(lambda at: self.agents(at, generated, output_type=Weather))

    def test_unknown_model(self):
        self.same(lambda at: self.agents(at, generated, model="no-such-model"), status=404)
