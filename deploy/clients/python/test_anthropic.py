from anthropic import Anthropic
from same import CLAUDE, QUESTION, WEATHER, Same

MESSAGES = [{"role": "user", "content": QUESTION}]
TOOLS = [{"name": "weather", "description": "The weather in a city", "input_schema": WEATHER}]


def client(at):
    return Anthropic(base_url=at.anthropic, api_key=at.key, max_retries=0, timeout=30)


def ask(at, **more):
    return client(at).messages.create(**{"model": CLAUDE, "max_tokens": 256, "messages": MESSAGES, **more})


class TestAnthropic(Same):
    def test_messages(self):
        self.same(ask)

    def test_streamed(self):
        self.same(lambda at: list(ask(at, stream=True)))

    def test_stream_helper(self):
        def run(at):
            with client(at).messages.stream(model=CLAUDE, max_tokens=256, messages=MESSAGES) as stream:
                return ["".join(stream.text_stream), stream.get_final_message()]

        self.same(run)

    def test_tools(self):
        self.same(
            lambda at: ask(at, tools=TOOLS, tool_choice={"type": "any"}),
            check=lambda r: self.assertIn("tool_use", [c["type"] for c in r["content"]]),
        )

    def test_token_count(self):
        self.same(lambda at: client(at).messages.count_tokens(model=CLAUDE, messages=MESSAGES))

    def test_wrong_key(self):
        self.same(lambda at: ask(at.wrong_key()), status=401)

    def test_unknown_model(self):
        self.same(lambda at: ask(at, model="no-such-model"), status=404)
