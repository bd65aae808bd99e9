#!/usr/bin/python3
"""Writes rbac.txt anew from a checkout of Ironic, whose path is the argument.

Ironic's unit tests of access (test_rbac_project_scoped.yaml and test_rbac_system_scoped.yaml)
say for a thousand requests how they end. What is taken over is who asks for what and
the status: one line a request, `WHO METHOD PATH STATUS [LIST=LENGTH] [BODY]`. Left out
are requests to what is not there (deploy_templates, indicators, a BIOS setting), and those
of settings that are not the default."""
import json
import pathlib
import sys

import yaml

LEFT_OUT = ("/deploy_templates", "/indicators", "/bios/")
SYSTEM = {"admin": "system_admin", "scoped_member": "system_member", "reader": "system_reader", "service": "system_service",
          "project_admin": "owner_admin"}


def lines(cases, rename, lists):
    people = {json.dumps(v): k.removesuffix("_headers") for k, v in cases.pop("values").items() if "headers" in k}
    for case in cases.values():
        skip = case.get("skip_reason") or case.get("self_manage_nodes") is False or case.get("enable_service_project")
        if skip or any(w in case["path"] for w in LEFT_OUT):
            continue
        who = people[json.dumps(case["headers"])]
        words = [rename.get(who, who), case["method"].upper(), case["path"], str(case["assert_status"])]
        words += ["%s=%d" % pair for pair in (lists and case.get("assert_list_length") or {}).items()]
        if case.get("body") is not None:
            words.append(json.dumps(case["body"], sort_keys=True))
        yield " ".join(words) + "\n"


tests = pathlib.Path(sys.argv[1]) / "ironic/tests/unit/api"
found = set()
for scope, rename in ("project", {}), ("system", SYSTEM):  # the lists of the second are of other test data
    found |= set(lines(yaml.safe_load((tests / f"test_rbac_{scope}_scoped.yaml").read_text()), rename, not rename))
pathlib.Path(__file__).with_name("rbac.txt").write_text("".join(sorted(found, key=lambda l: (l.split()[2], l))))
