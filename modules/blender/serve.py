"""Answers requests, a line of JSON each, with a line of JSON each, until there are no more.

Answers go to a descriptor of their own: importers print to the one that standard output has. The scene is emptied before each
request. A Refused is about the file; anything else that is raised is said as it is.
"""
import json
import os
import sys

requests = os.fdopen(os.dup(0), "rb")
answers = os.fdopen(os.dup(1), "wb")
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
os.dup2(2, 1)

import bpy  # noqa: E402 (it prints when it is loaded)


class Refused(Exception):
    """What the file makes impossible, as a sentence."""

    final = False  # another reader must not try


class Outlaw(Refused):
    """A file that refers to what is not there, or lies where it must not look."""

    final = True


COMMANDS = {}


def command(f):
    COMMANDS[f.__name__] = f
    return f


def blender_says(error):
    """The line of an operator's error that says what is wrong: 'Error: Python: Traceback …' has it last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("Location:")]
    return lines[-1].removeprefix("Error: ") if lines else type(error).__name__


def answer(line):
    try:
        request = json.loads(line)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        return COMMANDS[request["command"]](request)
    except Refused as e:
        return {"refused": str(e), "final": e.final}
    except Exception as e:
        return {"refused": "Blender: " + blender_says(e)}


def serve():
    for line in requests:
        text = json.dumps(answer(line), allow_nan=False)
        answers.write(text.encode("ascii") + b"\n")
        answers.flush()
    os._exit(0)  # what is torn down at the end of the interpreter takes a second, and may crash
