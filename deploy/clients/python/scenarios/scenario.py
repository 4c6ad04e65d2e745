"""Plays the scenarios that come on standard input with a client and prints one
JSON object for each, at each place. See ../../scenarios_test.go for both."""

import json
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace


@dataclass(frozen=True)
class Place:
    """Where to call: the base URLs that the SDKs are given, and the key."""

    openai: str
    anthropic: str
    gemini: str
    key: str


def numbers(input, output):
    """The numbers of a call as Weir has them too: all of its input and output."""
    return {"input": input, "output": output}


def plain_data(value):
    """What an SDK reported, as JSON has it."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [plain_data(v) for v in value]
    return value


class Client:
    """A client has the methods plain, streamed, tools, structured and abort. Each
    takes where to call and a scenario, and returns what the SDK handed back: text,
    pieces, calls, value, and usage as `reported` by the SDK beside its numbers of
    each call. The other two scenarios follow from plain."""

    def error(self, at, s):
        try:
            return self.plain(at, s)
        except Exception as e:  # whatever it is, it must be the same
            status = getattr(e, "status_code", None) or getattr(e, "code", None)
            return {"error": {"class": type(e).__name__, "status": status, "message": str(e)}}

    def retry(self, at, s):
        answers = [self.plain(at, SimpleNamespace(**{**vars(s), "model": model})) for model in s.retried]
        return {
            "text": "\n".join(a["text"] for a in answers),
            "usage": [u for a in answers for u in a["usage"]],
            "reported": [a["reported"] for a in answers],
        }


printing = threading.Lock()


def run(clients, plan):
    for given in plan["scenarios"]:
        for place in plan["places"]:
            at = Place(**place["urls"], key=place["keys"][given["name"]])
            out = {"client": plan["client"], "scenario": given["name"], "place": place["name"]}
            try:
                out["result"] = getattr(clients[plan["api"]], given["name"])(at, SimpleNamespace(**given))
            except Exception:
                out["failed"] = traceback.format_exc()
            with printing:
                print(json.dumps(out, default=plain_data), flush=True)


def play(**clients):
    runs = json.load(sys.stdin)["runs"]
    with ThreadPoolExecutor(max_workers=len(runs)) as pool:
        for done in [pool.submit(run, clients, r) for r in runs]:
            done.result()
