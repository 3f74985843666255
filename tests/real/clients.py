"""Owns the calls of the official client packages against `tonnage simulate`: one row for each endpoint and way.

Ends with 1 if a client raises, or if what it returns has other counts than were asked for.
"""

import sys

import anthropic
import ollama
import openai

url = sys.argv[1]
client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
said = [{"role": "user", "content": "three short words"}]
rows, failed = [], []


def row(package, what, call, wanted):
    """One call; `wanted` is what it must return."""
    try:
        found = call()
    except Exception as error:
        found = f"{type(error).__name__}: {str(error)[:90]}"
    good = found == wanted
    if not good:
        failed.append(what)
    rows.append((package, what, str(found), "yes" if good else f"NO, wanted {wanted}"))


def streamed(events):
    """Finish reason and counted output tokens of a chat or completions stream."""
    finish, usage = None, None
    for event in events:
        for choice in event.choices:
            finish = choice.finish_reason or finish
        usage = event.usage or usage
    return finish, usage.completion_tokens


def chat(**more):
    return client.chat.completions.create(model="tonnage-sim", messages=said, max_completion_tokens=5, **more)


def whole(answer):
    return answer.choices[0].finish_reason, answer.usage.completion_tokens


def response(stream):
    asked = {"model": "tonnage-sim", "input": "three short words", "max_output_tokens": 16}
    answer = client.responses.create(**asked, stream=stream)
    if stream:
        answer = [event for event in answer if event.type in ("response.completed", "response.incomplete")][-1].response
    return answer.usage.output_tokens, answer.object


def message(stream):
    asking = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    asked = dict(model="tonnage-sim", max_tokens=5, messages=said)
    if stream:
        with asking.messages.stream(**asked) as events:
            answer = events.get_final_message()
    else:
        answer = asking.messages.create(**asked)
    return answer.stop_reason, answer.usage.output_tokens


def local(method, stream, **asked):
    asking = getattr(ollama.Client(host=url), method)
    answer = asking(model="tonnage-sim", options={"num_predict": 5}, stream=stream, **asked)
    last = list(answer)[-1] if stream else answer
    return last.done_reason, last.eval_count


usage = {"include_usage": True}
row("openai", "models.list", lambda: [model.id for model in client.models.list()], ["tonnage-sim"])
row("openai", "models.retrieve", lambda: client.models.retrieve("tonnage-sim").id, "tonnage-sim")
row("openai", "chat", lambda: whole(chat()), ("length", 5))
row("openai", "chat, streamed", lambda: streamed(chat(stream=True, stream_options=usage)), ("length", 5))
row("openai", "chat, n=2", lambda: (len(chat(n=2).choices), chat(n=2).usage.completion_tokens), (2, 10))
complete = lambda **more: client.completions.create(
    model="tonnage-sim", prompt=more.pop("prompt", "three short words"), max_tokens=5, **more
)
row("openai", "completions", lambda: whole(complete()), ("length", 5))
row("openai", "completions, streamed", lambda: streamed(complete(stream=True, stream_options=usage)), ("length", 5))
row("openai", "completions, two prompts", lambda: len(complete(prompt=["a b", "c d"]).choices), 2)
row("openai", "responses", lambda: response(False), (16, "response"))
row("openai", "responses, streamed", lambda: response(True), (16, "response"))
row(
    "openai",
    "embeddings, 3 texts",
    lambda: len(client.embeddings.create(model="tonnage-sim", input=["a", "b", "c"]).data),
    3,
)
row("anthropic", "messages", lambda: message(False), ("max_tokens", 5))
row("anthropic", "messages, streamed", lambda: message(True), ("max_tokens", 5))
row("ollama", "chat", lambda: local("chat", False, messages=said), ("length", 5))
row("ollama", "chat, streamed", lambda: local("chat", True, messages=said), ("length", 5))
row("ollama", "generate", lambda: local("generate", False, prompt="three short words"), ("length", 5))
row("ollama", "generate, streamed", lambda: local("generate", True, prompt="three short words"), ("length", 5))

versions = ", ".join(f"{module.__name__} {module.__version__}" for module in (openai, anthropic))
print(f"\nofficial clients ({versions}) against tonnage simulate\n")
print("| package | call | returned | as asked |\n|---|---|---|---|")
for package, what, found, good in rows:
    print(f"| {package} | {what} | {found} | {good} |")
sys.exit(bool(failed))
