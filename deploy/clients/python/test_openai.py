import asyncio

from openai import AsyncOpenAI, OpenAI
from same import MESSAGES, MODEL, QUESTION, WEATHER, Same

TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "description": "The weather in a city", "parameters": WEATHER},
    }
]


def client(at):
    return OpenAI(base_url=at.openai, api_key=at.key, max_retries=0, timeout=30)


def chat(at, **more):
    return client(at).chat.completions.create(**{"model": MODEL, "messages": MESSAGES, **more})


class TestOpenAI(Same):
    def test_chat(self):
        self.same(chat)

    def test_chat_streamed(self):
        # Without the option the usage must not show, although Weir asks for it.
        self.same(
            lambda at: list(chat(at, stream=True)),
            check=lambda chunks: self.assertTrue(all(c["usage"] is None for c in chunks)),
        )

    def test_chat_streamed_with_usage(self):
        self.same(
            lambda at: list(chat(at, stream=True, stream_options={"include_usage": True})),
            check=lambda chunks: self.assertGreater(chunks[-1]["usage"]["total_tokens"], 0),
        )

    def test_chat_streamed_async(self):
        async def run(at):
            async with AsyncOpenAI(base_url=at.openai, api_key=at.key, max_retries=0, timeout=30) as openai:
                stream = await openai.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
                return [chunk async for chunk in stream]

        self.same(lambda at: asyncio.run(run(at)))

    def test_tools(self):
        self.same(
            lambda at: chat(at, tools=TOOLS, tool_choice="required"),
            check=lambda r: self.assertTrue(r["choices"][0]["message"]["tool_calls"]),
        )

    def test_aborted_then_called_again(self):
        def run(at):
            seen = []
            with chat(at, stream=True) as stream:
                for chunk in stream:
                    seen.append(chunk)
                    if len(seen) == 2:
                        break
            return [seen, chat(at)]

        self.same(run)

    def test_responses(self):
        self.same(lambda at: client(at).responses.create(model=MODEL, input=QUESTION))

    def test_responses_streamed(self):
        self.same(lambda at: list(client(at).responses.create(model=MODEL, input=QUESTION, stream=True)))

    def test_embeddings(self):
        self.same(lambda at: client(at).embeddings.create(model="text-embedding-3-small", input=["a weir", "a stream"]))

    def test_models(self):
        self.same(lambda at: list(client(at).models.list()))

    def test_wrong_key(self):
        self.same(lambda at: chat(at.wrong_key()), status=401)

    def test_unknown_model(self):
        self.same(lambda at: chat(at, model="no-such-model"), status=404)

    def test_rate_limit(self):
        self.same(lambda at: chat(at, model="sim-429"), status=429)
