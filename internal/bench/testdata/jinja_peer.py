"""Renders a template tree with Debian's python3-jinja2 as trees.py does and
prints the seconds of it, without the interpreter's start.
Usage: jinja_peer.py DIR_OF_TREES_PY ROOT ROLES NETWORKS"""
import sys
import time

sys.path.insert(0, sys.argv[1])
import trees  # noqa: E402

began = time.perf_counter()
out = trees.render_set(*sys.argv[2:5])
print(time.perf_counter() - began, len(out))
