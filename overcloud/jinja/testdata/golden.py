#!/usr/bin/env python3
"""Rewrites the expected parts of cases.txt with what the real Jinja2 makes of
the templates. Run by hand where python3-jinja2 is installed; the tests only
read the result. A case is: a line "=== name", the template, a line "---", and
the expected output, or "error" alone when rendering must fail."""
import os
import sys

import jinja2

CONTEXT = {
    "name": "Controller",
    "n": 3,
    "items_list": [3, 1, 2],
    "words": ["b", "A", "c", "a"],
    "empty": [],
    "none": None,
    "d": {"b": 1, "a": "two", "items": "shadowed", "nested": {"x": [1, {"y": "z"}]}},
    "people": [
        {"name": "Ann", "age": 30, "tags": ["primary", "controller"]},
        {"name": "Bob", "age": 25},
        {"name": "Cid", "age": 30, "tags": []},
    ],
    "text": "one two  three",
    "uni": "héllo",
    "html": "<a href='x'>&</a>",
}
INCLUDES = {
    "part.j2": "[{{ name }}{% set leaked = 1 %}]\n",
    "loop.j2": "{{ person.name if person is defined else 'nobody' }};",
    "bad.j2": "fine\n{{ missing.attr }}\n",
}


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.txt")
    out = []
    for case in open(path, newline="").read().split("=== ")[1:]:
        title, rest = case.split("\n", 1)
        template = rest.split("\n---\n", 1)[0]
        env = jinja2.Environment(loader=jinja2.DictLoader(INCLUDES), extensions=["jinja2.ext.do"])
        try:
            import copy
            got = env.from_string(template).render(copy.deepcopy(CONTEXT))
        except Exception as e:  # any failure is an error case
            print("error:", title, "-", e, file=sys.stderr)
            got = "error"
        out.append("=== %s\n%s\n---\n%s\n" % (title, template, got))
    open(path, "w", newline="").write("\n".join(out))


main()
