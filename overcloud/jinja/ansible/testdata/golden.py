#!/usr/bin/env python3
"""Rewrites the outputs in cases.txt with what the real Ansible makes of the
templates. Run by hand where ansible-core 2.14 can be imported (an unpacked
Debian package and PYTHONPATH do); the tests only read the result."""
import os

import jinja2
from ansible.plugins.filter.core import FilterModule as Core
from ansible.plugins.filter.mathstuff import FilterModule as Math
from ansible.plugins.filter.urls import FilterModule as URLs
from ansible.plugins.test.core import TestModule as CoreTests
from ansible.plugins.test.mathstuff import TestModule as MathTests

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.txt")
env = jinja2.Environment()
for module in (Core, Math, URLs):
    env.filters.update(module().filters())
for module in (CoreTests, MathTests):
    env.tests.update(module().tests())
out = []
for case in open(path, newline="").read().split("=== ")[1:]:
    title, rest = case.split("\n", 1)
    template = rest.split("\n---\n", 1)[0]
    try:
        got = env.from_string(template).render()
    except Exception as e:
        raise SystemExit("%s: %s" % (title, e))
    out.append("=== %s\n%s\n---\n%s\n" % (title, template, got))
open(path, "w", newline="").write("\n".join(out))
