#!/usr/bin/env python3
"""Rewrites what is expected in cases/*.txt and errors.txt with what the real
Jinja2 makes of the templates. Run by hand where python3-jinja2 is installed;
the tests only read the result.

A case is a line "=== name", the template, a line "---" and the output. A
template may begin with a line "#opts {...}", options of jinja2.Environment.
errors.txt holds templates that fail, each with a line "  jinja2: " and a line
"  ours:   " (go test -update writes that one)."""
import copy
import glob
import json
import os

import jinja2
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
CONTEXT = yaml.safe_load(open(os.path.join(HERE, "context.yaml")))


def render(template):
    options = {}
    if template.startswith("#opts "):
        line, template = template.split("\n", 1)
        options = json.loads(line[len("#opts "):])
    env = jinja2.Environment(loader=jinja2.FileSystemLoader(os.path.join(HERE, "templates")), **options)
    return env.from_string(template).render(copy.deepcopy(CONTEXT))


def cases(path):
    out = []
    for case in open(path, newline="").read().split("=== ")[1:]:
        title, rest = case.split("\n", 1)
        template = rest.split("\n---\n", 1)[0]
        out.append("=== %s\n%s\n---\n%s\n" % (title, template, render(template)))
    open(path, "w", newline="").write("\n".join(out))


def errors(path):
    out = []
    for block in open(path, newline="").read().rstrip("\n").split("\n\n"):
        template, _, rest = block.partition("\n  jinja2: ")
        ours = rest[rest.find("\n"):] if "\n" in rest else "\n  ours:   "
        try:
            render(template)
        except Exception as e:  # any failure is right
            out.append("%s\n  jinja2: %s: %s%s\n" % (template, type(e).__name__, str(e).replace("\n", " "), ours))
        else:
            raise SystemExit("Jinja2 does not fail:\n" + template)
    open(path, "w", newline="").write("\n".join(out))


def main():
    for path in sorted(glob.glob(os.path.join(HERE, "cases", "*.txt"))):
        cases(path)
    errors(os.path.join(HERE, "errors.txt"))


main()
