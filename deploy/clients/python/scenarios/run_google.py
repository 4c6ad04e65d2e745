import json

from google import genai
from google.genai import types
from scenario import Client, numbers, play


def client(at):
    # Its retries are off unless they are asked for.
    retries = types.HttpRetryOptions(attempts=3, initial_delay=0.5)
    return genai.Client(api_key=at.key, http_options=types.HttpOptions(base_url=at.gemini, retry_options=retries))


def spent(*all):
    return {
        "usage": [numbers(u.prompt_token_count, u.candidates_token_count + (u.thoughts_token_count or 0)) for u in all],
        "reported": all,
    }


class Generate(Client):
    def plain(self, at, s):
        c = client(at)
        r = c.models.generate_content(model=s.model, contents=s.prompt)
        return {"text": r.text, **spent(r.usage_metadata)}

    def streamed(self, at, s):
        c = client(at)
        pieces, usage = [], None
        for chunk in c.models.generate_content_stream(model=s.model, contents=s.prompt):
            pieces.append(chunk.text)
            usage = chunk.usage_metadata
        return {"text": "".join(pieces), "pieces": pieces, **spent(usage)}

    def tools(self, at, s):
        c = client(at)
        declared = types.FunctionDeclaration(
            name=s.tool["name"], description=s.tool["description"], parameters_json_schema=s.tool["parameters"]
        )
        config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
        contents = [types.Content(role="user", parts=[types.Part(text=s.prompt)])]
        first = c.models.generate_content(model=s.model, contents=contents, config=config)
        calls = first.function_calls
        results = [types.Part.from_function_response(name=f.name, response={"output": s.result}) for f in calls]
        contents += [first.candidates[0].content, types.Content(role="user", parts=results)]
        second = c.models.generate_content(model=s.model, contents=contents, config=config)
        return {
            "text": second.text,
            "calls": [{"name": f.name, "arguments": f.args} for f in calls],
            **spent(first.usage_metadata, second.usage_metadata),
        }

    def structured(self, at, s):
        c = client(at)
        config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=s.schema)
        r = c.models.generate_content(model=s.model, contents=s.prompt, config=config)
        return {"value": json.loads(r.text), **spent(r.usage_metadata)}

    def abort(self, at, s):
        c = client(at)
        pieces = []
        stream = c.models.generate_content_stream(model=s.model, contents=s.prompt)
        for chunk in stream:
            pieces.append(chunk.text)
            if len(pieces) == s.pieces:
                break
        stream.close()
        return {"pieces": pieces}


play(generate=Generate())
