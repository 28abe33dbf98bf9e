"""
A side's own end, for sides in Python: answers the orders that come on the standard input, one JSON object a line
(../protocol.ts), until it ends. Python's standard library only.
"""

import json
import sys
import time
import traceback


class Unusable(Exception):
    """Raised by a side that cannot work here, before it is ready: the message becomes the row's reason."""


def first_line(error):
    """What an error says, in one line, for an Unusable."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def serve_side(open_program):
    """
    Opens the program, says so, and serves it. A program has `name`; `gate()`, which starts from the row's initial state
    and returns (list of numbers, dict of file names); and `step()`, which a run repeats and times.
    """
    try:
        program = open_program()
    except Unusable as reason:
        _say({"unusable": str(reason)})
        return
    _say({"ready": program.name})
    for line in sys.stdin:
        try:
            _say(_carry_out(program, json.loads(line)))
        except Exception:
            _say({"error": traceback.format_exc()})


def _carry_out(program, order):
    if order["do"] == "gate":
        numbers, arrays = program.gate()
        return {"numbers": numbers, "arrays": arrays}
    if order["do"] == "run":
        return _run(program, order["steps"])
    return {"profile": []}


def _run(program, steps):
    processor = time.process_time()
    start = time.perf_counter()
    for _ in range(steps):
        program.step()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "processorSeconds": time.process_time() - processor}


def _say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
