"""A hundred storms whose decisive fault cannot meet the client: every kind of fault, and every way to miss."""

FAULTS = (
    "answer: 503", "answer: 429", "answer: {status: 503, effect: true}", "answer: 500", "answer: 401",
    "answer: 408", "answer: 504", "{answer: 503, retry_after: 1}", "{answer: 429, retry_after: {date_in_s: 4}}",
    "{answer: 429, retry_after: 99999}", "cut: rst after request", "cut: rst after effect",
    "cut: fin after 100 bytes", "cut: hang after request", "cut: hang after effect", "cut: rst after 100 bytes",
    "answer: {garbage: html}", "answer: {garbage: null_field}", "answer: {bloat: gzip_bomb}",
    "answer: {status: 307, location: same}", "answer: {status: 302, location: other, effect: false}",
    "answer: {drip: {part: body, every_s: 0.2}}", "lane: [{type: latency, latency_ms: 300}]",
    "lane: [{type: timeout, timeout_ms: 300}]", "lane: [{type: bandwidth, rate_kbps: 1}]",
)
MISSES = ("attempts: 9-", "{attempts: 1-, operations: 500-}", "{attempts: 1-, from_s: 3000}",
          "{attempts: 1-, origin: other}")
EXERCISED = ("TMO002, TMO003, TMO006, RTY001, RTY002, RTY003, RTY006, JIT001, RAF001, RAF002, RAF003, RAF004, IDM001, "
             "IDM002, IDM004, IDM007, ERR001, ERR002, ERR003, ERR005, ERR006, SEC001, SEC002, SEC006, OBS001, CON002")


def storms():
    """Each as the text of a scenario file, by its name."""
    for number, fault in enumerate(FAULTS):
        for way, miss in enumerate(MISSES):
            name = f"never-{number}-{way}"
            parts = ", ".join(text.removeprefix("{").removesuffix("}") if text.startswith("{") else text
                              for text in (miss, fault))
            yield name, (f"name: {name}\nwhy: It never comes.\noperations:\n  - {{kind: read, count: 2, concurrent: 2}}\n"
                         f"  - {{kind: write, count: 2, concurrent: 2}}\nsteps:\n  - {{{parts}}}\n"
                         f"expect: {{outcome: success, exercised: [{EXERCISED}]}}\n")
