#!/usr/bin/python3
"""Prints the cases of the text files beside it in which the classes of the real
Heat come to another result than what the files say. Run by hand, with Debian's
python3-heat and python3-heatclient: heatcases.py FILE... Errors are worded
otherwise by nature, addresses are ours to plan, warnings are left out."""
import json
import os
import re
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../plan/testdata"))
import heatwhole
from heat.common import template_format
from heat.engine import environment

heatwhole.identify = lambda path: "id:" + path


class Texts(dict):
    """The files of a case, and nothing else."""
    root = "/nonexistent"


def files(body):
    """As caseFiles of the Go test."""
    out, name = {}, "root.yaml"
    for line in body.split("\n"):
        if line.startswith("-- "):
            name = line[3:]
            continue
        out[name] = out.get(name, "") + line + "\n"
    for name, text in out.items():
        if name.endswith(".yaml") and name != "env.yaml" and "heat_template_version" not in text:
            out[name] = "heat_template_version: wallaby\n" + text
    return Texts(out)


def evaluate(body):
    """One line an output, or an error; and what Heat's validation has to say."""
    texts = files(body)
    world = heatwhole.World(texts, {})
    env = {"parameters": {}, "parameter_defaults": {}, "resource_registry": {}}
    env.update(template_format.yaml.load(texts.get("env.yaml", "{}"), Loader=template_format.yaml_loader) or {})
    root = heatwhole.Stack(world, "top", world.load("root.yaml"), environment.Environment(env))
    root.complete()
    lines = ["%s = %s" % (n, heatwhole.canonical(root.output(n))) for n in root.defn.t.t.get("outputs") or {}]
    return lines + ["error: " + n for n in world.notes]


def main():
    heatwhole.start()
    for name in sys.argv[1:]:
        for case in re.split(r"(?m)^=== ", open(name).read())[1:]:
            title, rest = case.split("\n", 1)
            body, want = rest.split("\n---\n", 1)
            want = [l for l in want.strip("\n").split("\n") if not l.startswith("warning: ")]
            try:
                got = evaluate(body)
            except Exception as e:
                got = ["error: %s: %s" % (type(e).__name__, str(e)[:200])]
            fails = [any(l.startswith("error: ") for l in lines) for lines in (got, want)]
            if got != want and fails != [True, True]:
                print("%s: %s" % (name, title), "Heat:", *got, "ours:", *want, sep="\n  ")


if __name__ == "__main__":
    sys.setrecursionlimit(20000)  # resources that need each other are an error, too
    threading.stack_size(512 << 20)
    t = threading.Thread(target=main)
    t.start()
    t.join()
