#!/usr/bin/env python3
"""Rewrites the results in cases.txt and trees.txt with what the real yaql makes
of the expressions, with the options that TripleO gives Heat. Run by hand where
python3-yaql is installed (/usr/bin/python3 golden.py); the tests only read.

A case is a line "=== title", the expression, and for each data a line "< JSON"
and the result, a line "> JSON" or "> error". A case without data has only the
result. $ is {"data": JSON}. Where the title ends with "(any order)" the result
is a list that Python orders as it likes: it is sorted here and in the test."""
import json
import os
import sys

import yaql

HERE = os.path.dirname(os.path.abspath(__file__))
# Heat does not set convertSetsToLists: a set would leave as Python's set, which no template can use.
OPTIONS = {"yaql.limitIterators": 1000, "yaql.memoryQuota": 100000, "yaql.convertSetsToLists": True}
ENGINE = yaql.YaqlFactory().create(OPTIONS)
CONTEXT = yaql.create_context()


def result(title, expression, data):
    try:
        got = ENGINE(expression).evaluate({"data": json.loads(data)}, CONTEXT.create_child_context())
        if title.endswith("(any order)"):
            got = sorted(got, key=lambda v: json.dumps(v, sort_keys=True))
        got = json.loads(json.dumps(got))  # keys become strings
        return json.dumps(got, sort_keys=True, ensure_ascii=False)
    except Exception as e:  # any failure is an error case
        print("error: %s: %s: %s" % (title, type(e).__name__, str(e)[:150]), file=sys.stderr)
        return "error"


def rewrite(name):
    path = os.path.join(HERE, name)
    out = []
    for case in open(path, newline="", encoding="utf-8").read().split("=== ")[1:]:
        title, rest = case.split("\n", 1)
        lines = rest.rstrip("\n").split("\n")
        expression = "\n".join(line for line in lines if not line.startswith(("< ", "> ")))
        data = [line[2:] for line in lines if line.startswith("< ")]
        part = "=== %s\n%s\n" % (title, expression)
        for d in data:
            part += "< %s\n> %s\n" % (d, result(title, expression, d))
        if not data:
            part += "> %s\n" % result(title, expression, "null")
        out.append(part)
    text = "\n".join(out).encode()
    with open(path, "wb") as f:
        f.write(text)


for file in sys.argv[1:] or ["cases.txt", "trees.txt"]:
    rewrite(file)
