"""The task `debug_search_api`: look the symptom up with a tool, then answer with current code and the API version."""

from dataclasses import dataclass

from registry.core.canonical import canonical
from registry.ports import Message
from registry.training.die import Die
from registry.training.tasks.instance import Instance, says

SLICE = "debug_search_api"
VERSION = "3.2.1"
COLLECTIONS = ("orders", "users", "invoices", "tickets", "events", "products")
SERVICES = ("checkout", "billing", "support", "catalog", "mobile", "admin")
WINDOWS = ("since the deploy", "since last night", "after the upgrade", "since Monday", "in the last hour", "today")
ASK = ("What is the fix?", "How do I fix it?", "What should I change?", "Which call is right?")


@dataclass(frozen=True, slots=True)
class Topic:
    """A symptom, what to search for, what mends it; `then` is a second search that the first reply points to."""

    symptom: str
    query: str
    cause: str
    option: str
    then: str = ""


TOPICS = (
    Topic("500s", "status 500", "a call that was removed", ""),
    Topic("429s", "status 429", "a missing retry limit", ", retries=3", "option retries"),
    Topic("timeouts", "timeout", "a missing time limit", ", timeout_s=30", "option timeout_s"),
    Topic("empty results", "empty result", "a call that was removed", ""),
    Topic("partial pages", "partial page", "a missing page option", ", all_pages=True", "option all_pages"),
    Topic("deprecation warnings", "deprecation", "a call that was removed", ""),
)
SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string", "minLength": 3, "maxLength": 40}, "version": {"const": VERSION}},
    "required": ["query", "version"],
    "additionalProperties": False,
}


def draw(die: Die) -> Instance:
    """An instance with every slot thrown."""
    words = (die.pick(SERVICES), die.pick(WINDOWS), die.pick(ASK))
    return build(die.pick(TOPICS), die.pick(COLLECTIONS), words)


def example() -> Instance:
    """The instance of the design document."""
    return build(TOPICS[0], "orders", ("checkout", "since the deploy", ASK[0]))


def build(topic: Topic, collection: str, words: tuple[str, str, str]) -> Instance:
    """Fill the template."""
    service, window, ask = words
    prompt = (
        f"Getting a lot of {topic.symptom} from `debug_search_api` logs in the {service} service {window}, "
        f"when it reads {collection}. {ask}"
    )
    expect = {
        "version": f"v{VERSION}",
        "tests": f"tests/{test_name(topic, collection)}.py",
        "span": "SearchClient.query",
    }
    steps: list[Message] = []
    for query in queries(topic):
        steps += (Message("assistant", call(query)), Message("tool", canonical(reply_to(query)).decode()))
    final = answer(topic, collection)
    old = (
        f'Try this:\n```python\ndef fetch(client, limit):\n    return client.legacy_lookup("{collection}", limit)\n```'
    )
    poor = {
        "deprecated call": final.replace("client.query", "client.legacy_lookup"),
        "no version": final.replace(f"API v{VERSION}", "the API").replace(f" See v{VERSION}.", ""),
        "old version": final.replace(f"v{VERSION}", "v3.1.0"),
        "no code": f"Use `SearchClient.query` of v{VERSION}.",
        "old answer": old,
        "other slice": "8 + 2 = 10; 10 - 5 = 5. <answer>5</answer>",
    }
    return Instance(SLICE, prompt, expect, (*steps, *says(final)), says(old), poor)


def answer(topic: Topic, collection: str) -> str:
    """The final answer: the cause, the API version, and code that a test can run."""
    return (
        f"The cause is {topic.cause}. In API v{VERSION} use `SearchClient.query`:\n```python\n"
        f'def fetch(client, limit):\n    return client.query("{collection}", limit=limit{topic.option})\n```'
    )


def queries(topic: Topic) -> tuple[str, ...]:
    """What is searched for, in order: one query or two."""
    return (topic.query, topic.then) if topic.then else (topic.query,)


def arguments(query: str) -> dict[str, str]:
    """The arguments of a `search_api` call."""
    return {"query": query, "version": VERSION}


def call(query: str) -> str:
    """The assistant's message that calls the tool."""
    return f'<tool_call>{{"name":"search_api","arguments":{canonical(arguments(query)).decode()}}}</tool_call>'


def reply_to(query: str) -> dict[str, str]:
    """What the recorded tool says to `query`."""
    for topic in TOPICS:
        if query == topic.query:
            return {"cause": topic.cause, "see": topic.then or "SearchClient.query", "version": VERSION}
    topic = next(topic for topic in TOPICS if topic.then == query)
    return {"use": f"SearchClient.query{topic.option}", "version": VERSION}


def test_name(topic: Topic, collection: str) -> str:
    """The name of the unit test that fits a case."""
    return f"{topic.query.replace(' ', '_')}_{collection}"


def unit_test(topic: Topic, collection: str) -> str:
    """A test of an answer's `fetch` against a client that only knows the current call."""
    name, _, value = topic.option.removeprefix(", ").partition("=")
    wanted = f', "{name}": {value}' if name else ""
    return f'''"""fetch(client, limit) reads {collection} with the current call, and with what mends {topic.symptom}."""


class Client:
    """Has the current call and no other; remembers how it was called."""

    def __init__(self):
        self.calls = []

    def query(self, collection, **options):
        """Remember the call, and give as many rows as were asked for."""
        self.calls.append((collection, options))
        return ["row"] * options.get("limit", 10)


for limit in (1, 7):
    client = Client()
    rows = fetch(client, limit)  # noqa: F821 - the answer defines it
    assert rows == ["row"] * limit, rows
    assert client.calls == [("{collection}", {{"limit": limit{wanted}}})], client.calls
'''
