#!/usr/bin/env python3
"""Writes queens.sha256 and wallaby.sha256: checksums of what the real Jinja2
makes of TripleO's trees with their default roles and networks, by the rules of
tripleo-common's process-templates. Run by hand: trees.py DIR_WITH_TAR_XZ."""
import hashlib
import os
import sys
import tarfile
import tempfile

import jinja2
import yaml


def render_tree(root, roles, networks):
    excludes = set(yaml.safe_load(open(root + "/j2_excludes.yaml"))["name"])
    out = {}

    def render(name, context, target):
        if target in excludes:
            return
        dirs = [os.path.join(root, os.path.dirname(name)), root]
        env = jinja2.Environment(loader=jinja2.FileSystemLoader(dirs))
        out[target] = env.from_string(open(os.path.join(root, name)).read()).render(**context)

    names = []
    for path, _, files in os.walk(root):
        names += [os.path.relpath(os.path.join(path, f), root) for f in files if f.endswith(".j2.yaml")]
    for name in sorted(names):
        folder, base = os.path.split(name)
        folder = folder + "/" if folder else ""
        source = open(os.path.join(root, name)).read()
        if base.endswith(".role.j2.yaml"):
            stem = base[: -len(".role.j2.yaml")]
            for role in roles:
                context = {"networks": networks, "role": role}
                if "{{role.name}}" not in source:
                    context.update(role=role["name"], disable_constraints=role.get("disable_constraints"))
                target = folder + role["name"].lower() + "-" + stem + ".yaml"
                if name.startswith("network/config/"):
                    target = folder + role.get("deprecated_nic_config_name", role["name"].lower() + ".yaml")
                render(name, context, target)
        elif base.endswith(".network.j2.yaml"):
            stem = base[: -len(".network.j2.yaml")]
            word = "port" if folder.endswith("ports/") else "network"
            for net in networks:
                if net["enabled"]:
                    render(name, {"roles": roles, "network": net}, folder + stem.replace(word, net["name_lower"]) + ".yaml")
        else:
            render(name, {"roles": roles, "networks": networks}, name[: -len(".j2.yaml")] + ".yaml")
    return out


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    for tree, nets in (("queens", "network_data.yaml"), ("wallaby", "network_data_default.yaml")):
        with tempfile.TemporaryDirectory() as root:
            tarfile.open(os.path.join(sys.argv[1], tree + ".tar.xz")).extractall(root)
            roles = yaml.safe_load(open(root + "/roles_data.yaml"))
            networks = yaml.safe_load(open(root + "/" + nets))
            for net in networks:
                net.setdefault("name_lower", net["name"].lower())
                net.setdefault("enabled", True)
            out = render_tree(root, roles, networks)
        with open(os.path.join(here, tree + ".sha256"), "w") as f:
            for name in sorted(out):
                f.write("%s  %s\n" % (hashlib.sha256(out[name].encode()).hexdigest(), name))
        print(tree, len(out))


main()
