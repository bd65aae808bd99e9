#!/usr/bin/python3
"""Writes rbac-project.txt anew from a checkout of Ironic, whose path is the argument.

Ironic's unit tests of project-scoped access (test_rbac_project_scoped.yaml) say for
600 requests how they end. What is taken over is who asks for what and the status:
one line a request, `WHO METHOD PATH STATUS [BODY]`, sorted. Left out are requests
to what is asked of no project here (volume, runbooks), to what is not there
(deploy_templates, indicators), and those of settings that are off by default."""
import json
import pathlib
import sys

import yaml

LEFT_OUT = ("/volume", "/runbooks", "/deploy_templates", "/indicators")
tests = pathlib.Path(sys.argv[1]) / "ironic/tests/unit/api/test_rbac_project_scoped.yaml"
lines = set()
cases = yaml.safe_load(tests.read_text())
names = {json.dumps(v): k.removesuffix("_headers") for k, v in cases.pop("values").items() if k.endswith("headers") or "headers" in k}
for case in cases.values():
    skip = case.get("skip_reason") or case.get("self_manage_nodes") is False or case.get("enable_service_project")
    if skip or any(w in case["path"] for w in LEFT_OUT):
        continue
    words = [names[json.dumps(case["headers"])], case["method"].upper(), case["path"], str(case["assert_status"])]
    for name, length in (case.get("assert_list_length") or {}).items():
        words.append("%s=%d" % (name, length))
    if case.get("body") is not None:
        words.append(json.dumps(case["body"], sort_keys=True))
    lines.add(" ".join(words))
pathlib.Path(__file__).with_name("rbac-project.txt").write_text("".join(l + "\n" for l in sorted(lines, key=lambda l: (l.split()[2], l))))
