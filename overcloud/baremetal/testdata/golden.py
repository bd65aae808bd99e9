#!/usr/bin/env python3
"""Makes NAME.json beside each NAME.yaml: what tripleo-ansible's own expansion says.

Run once by hand, never by a test:

    git clone (or fetch) openstack-archive/tripleo-ansible, branch stable/wallaby
    python3 golden.py PATH/tripleo_ansible/ansible_plugins/module_utils/baremetal_deploy.py

It needs python3-yaml and python3-jsonschema. metalsmith, whose image sources
are only looked at there, is replaced by a stand-in that takes every image.
"""
import importlib.util
import json
import pathlib
import sys
import types

import yaml

metalsmith = types.ModuleType("metalsmith")
metalsmith.sources = types.ModuleType("metalsmith.sources")
metalsmith.sources.detect = lambda **_: None
sys.modules["metalsmith"] = metalsmith
sys.modules["metalsmith.sources"] = metalsmith.sources
spec = importlib.util.spec_from_file_location("baremetal_deploy", sys.argv[1])
bd = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bd)

for path in sorted(pathlib.Path(__file__).parent.glob("*.yaml")):
    if path.stem.startswith("wrong"):
        continue
    # As tripleo_baremetal_expand_roles calls it, with its default network and image.
    present, env, nets, roles = bd.expand(
        yaml.safe_load(path.read_text()), "overcloud", expand_provisioned=True,
        default_image={"href": "overcloud-full"}, default_network=[{"network": "ctlplane", "vif": True}],
        user_name="tripleo-admin", ssh_public_keys="ssh-ed25519 AAAA admin")
    absent, _, _, _ = bd.expand(
        yaml.safe_load(path.read_text()), "overcloud", expand_provisioned=False,
        default_image={"href": "overcloud-full"})
    said = {
        "present": present,
        "absent": [i["hostname"] for i in absent],
        "parameters": env["parameter_defaults"],
        "networks": {r: sorted(n) for r, n in nets.items()},
        "roles": roles,
    }
    path.with_suffix(".json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
