"""A FastAPI application that calls a model for its customers through Weir."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

# The one place that knows where calls go: `weir env` prints both variables.
provider = OpenAIProvider(base_url=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
agent = Agent(OpenAIChatModel(os.environ.get("MODEL", "gpt-4o-mini"), provider=provider))

# Stands for your own sign-in: which customer a session belongs to. Whatever
# takes its place, the customer must come from the session and never from a
# field that a browser fills in, because this name decides who pays.
SESSIONS = {"session-of-acme": "acme", "session-of-globex": "globex"}


def billed_to(
    session: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> ModelSettings:
    """The settings that tell Weir who a call is for."""
    customer = SESSIONS.get(session.credentials) if session else None
    if customer is None:
        raise HTTPException(401, "sign in first")
    return ModelSettings(extra_headers={"X-Weir-Customer": customer})


BilledTo = Annotated[ModelSettings, Depends(billed_to)]


class Ask(BaseModel):
    prompt: str


app = FastAPI()


@app.post("/generate")
async def generate(ask: Ask, settings: BilledTo):
    result = await agent.run(ask.prompt, model_settings=settings)
    return {
        "text": result.output,
        "usage": {"inputTokens": result.usage.input_tokens, "outputTokens": result.usage.output_tokens},
    }


@app.post("/stream")
async def stream(ask: Ask, settings: BilledTo):
    async def pieces():
        async with agent.run_stream(ask.prompt, model_settings=settings) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                yield piece

    return StreamingResponse(pieces(), media_type="text/plain; charset=utf-8")
