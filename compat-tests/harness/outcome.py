"""How a test says what became of it."""

NOT_RUN_EXIT_CODE = 77


class NotRun(Exception):
    """Something the test needs is not on this machine; the message says what. Never counted as passed."""


def check(condition, message):
    """Fails the test, with a message for the reader, unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def check_equal(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what}: got {clip(got)}, expected {clip(expected)}")


def check_contains(text, part, what):
    if part not in text:
        raise AssertionError(f"{what}: {part!r} is not in\n{clip(text)}")


def clip(value, limit=3000):
    shown = value if isinstance(value, str) else repr(value)
    return shown if len(shown) <= limit else shown[:limit] + f"... ({len(shown)} characters)"


def step(text):
    """A line in the test's log."""
    print(f"ok: {text}", flush=True)
