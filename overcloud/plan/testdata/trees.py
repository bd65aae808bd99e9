#!/usr/bin/env python3
"""Writes NAME.sha256 for every set of trees.txt: checksums of what the real
Jinja2 makes of TripleO's trees with these roles and networks, by the rules of
tripleo-common's process-templates. Run by hand: trees.py DIR_WITH_TAR_XZ."""
import contextlib
import hashlib
import os
import sys
import tarfile
import tempfile

import jinja2
import yaml


def render_tree(root, roles, networks):
    excludes = set()
    if os.path.exists(root + "/j2_excludes.yaml"):
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
                if net.get("enabled") is not False:
                    render(name, {"roles": roles, "network": net}, folder + stem.replace(word, net["name_lower"]) + ".yaml")
        else:
            render(name, {"roles": roles, "networks": networks}, name[: -len(".j2.yaml")] + ".yaml")
    return out


HERE = os.path.dirname(os.path.abspath(__file__))


def read_sets():
    for line in open(os.path.join(HERE, "trees.txt")):
        if line.strip() and not line.startswith("#"):
            yield line.split()


def read(root, name):
    if name.startswith("./"):
        root = HERE
    return open(os.path.join(root, name)).read()


def render_set(root, roles, networks):
    if roles.endswith(".yaml"):
        roles = read(root, roles)
    else:
        roles = "\n".join(read(root, "roles/%s.yaml" % name) for name in roles.split(","))
    networks = yaml.safe_load(read(root, networks))
    for idx, net in enumerate(networks):
        net.update(idx=idx)
        if net.get("enabled") is not False and not net.get("name_lower"):
            net["name_lower"] = net["name"].lower()
    return render_tree(root, yaml.safe_load(roles), networks)


@contextlib.contextmanager
def unpacked(data, tree):
    """The folder of a tree: one of TripleO's, or the folder of that name beside this file."""
    with tempfile.TemporaryDirectory() as root:
        if os.path.isdir(os.path.join(HERE, tree)):
            yield os.path.join(HERE, tree)
            return
        tarfile.open(os.path.join(data, tree + ".tar.xz")).extractall(root)
        yield root


def main():
    for name, tree, roles, networks in read_sets():
        with unpacked(sys.argv[1], tree) as root:
            out = render_set(root, roles, networks)
        with open(os.path.join(HERE, name + ".sha256"), "w") as f:
            for target in sorted(out):
                f.write("%s  %s\n" % (hashlib.sha256(out[target].encode()).hexdigest(), target))
        print(name, len(out))


if __name__ == "__main__":
    main()
