"""What a client sees through Weir must be what it sees from the provider. Every
test runs the same code twice, with another base URL and key and nothing else,
and compares all that the SDK handed back."""

import os
import unittest
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A place to call: the base URLs that each vendor's SDK is given."""

    openai: str
    anthropic: str
    key: str

    @staticmethod
    def of(url, key, prefix):
        return Place(f"{url}/v1", url + prefix, key)

    def wrong_key(self):
        return Place(self.openai, self.anthropic, "weir_live_wrong")


DIRECT = Place.of(os.environ["UPSTREAM_URL"], os.environ["UPSTREAM_KEY"], "")
WEIR = Place.of(os.environ["PROXY_URL"], os.environ["PROXY_KEY"], "/anthropic")

MODEL, CLAUDE = "gpt-4o-mini", "claude-sonnet-4-5"
QUESTION = "How does a weir measure the flow of a stream? Größe, 漢字, 🌊"
MESSAGES = [{"role": "system", "content": "You are a hydrologist."}, {"role": "user", "content": QUESTION}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}

# Made anew for each call by provider or SDK, so they cannot be the same.
PER_CALL = {
    "id", "created", "created_at", "completed_at", "timestamp", "response_id", "item_id", "call_id", "tool_call_id",
    "run_id", "conversation_id", "obfuscation", "provider_response_id", "provider_url", "request_id",
}  # fmt: skip


def scrub(value):
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        return {name: f"({type(v).__name__})" if name in PER_CALL else scrub(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrub(v) for v in value]
    return value


def outcome(call, at):
    """The result of a call, or the error it raised as a program tells errors
    apart. A 401 is Weir's own, in its own words; every other is the provider's."""
    try:
        return {"value": scrub(call(at))}
    except Exception as e:  # whatever it is, it must be the same
        status = getattr(e, "status_code", None)
        body = None if status == 401 else scrub(getattr(e, "body", None))
        return {"error": type(e).__name__, "status": status, "body": body}


class Same(unittest.TestCase):
    maxDiff = None

    def same(self, call, status=None, check=None):
        """Runs a call directly and through Weir and compares. The direct one must
        end with the status, if one is given, and else well, so that two failures
        do not pass for a success."""
        direct = outcome(call, DIRECT)
        if status is None:
            self.assertIn("value", direct)
        else:
            self.assertEqual(direct.get("status"), status, direct)
        if check:
            check(direct["value"])
        self.assertEqual(outcome(call, WEIR), direct)
