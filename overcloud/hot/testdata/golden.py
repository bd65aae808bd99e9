#!/usr/bin/python3
"""Writes what the real Heat makes of the cases in heat/*.txt into those files.
Run by hand, with Debian's python3-heat: golden.py [FILE...]. Heat runs whole,
with its stacks in a database in memory. Texts of ours ("error: …" and what
follows "--- ours:") are kept."""
import json
import logging
import os
import re
import sys
import warnings

warnings.simplefilter("ignore")
from oslo_config import cfg
from heat.common import environment_format, environment_util, messaging, template_format
from heat.engine import environment, parameters, properties, resources, stack, template
from heat.engine.hot import functions as hot_functions
from heat.engine.hot import parameters as hot_parameters
from heat.tests import utils

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "heat")
FILES = {"files/hello.txt": "hello\n", "files/empty.txt": ""}


def start():
    cfg.CONF([], project="heat", default_config_files=[], default_config_dirs=[])
    cfg.CONF.set_override("deferred_auth_method", "password")
    messaging.setup("fake://", optional=True)
    utils.setup_dummy_db()
    resources.initialise()
    template.Template({"heat_template_version": "wallaby"})
    logging.disable(logging.CRITICAL)


def evaluate(text, params=None, defaults=None, use=lambda s: s.outputs["out"].get_value()):
    """Creates a stack and returns what use reads from it."""
    utils.reset_dummy_db()
    ctx = utils.dummy_context()
    env = environment.Environment({"parameters": params or {}, "parameter_defaults": defaults or {}})
    t = template.Template(template_format.parse(text), files=FILES, env=env)
    t.store(ctx)
    s = stack.Stack(ctx, "stack", t)
    s.store()
    s.validate()
    s.create()
    if s.status != s.COMPLETE:
        raise ValueError(s.status_reason)
    s = stack.Stack.load(ctx, s.id)
    s._update_all_resource_data(for_resources=False, for_outputs=True)
    return use(s)


def function_case(title, body):
    header = open(os.path.join(HERE, "header.yaml")).read()
    old, new = header.split("# since 2016-10-14\n")
    found = re.match(r"\[(\S+)\] ", title)
    version = found.group(1) if found else "wallaby"
    if version > "2016-10-14" or version[0] > "9" or version == "2016-10-14":
        old += new
    text = "heat_template_version: %s\n%soutputs:\n  out:\n    value:\n" % (version, old)
    return evaluate(text + "".join("      " + l + "\n" for l in body.splitlines()))


def parameter_case(title, body):
    """A declaration, and one value a line behind "value:" or "default:" (of the environment)."""
    case = template_format.yaml.load(body, Loader=template_format.yaml_loader)
    found = re.match(r"\[(\S+)\] ", title)
    text = json.dumps({"heat_template_version": found.group(1) if found else "wallaby",
                       "parameters": {"P": case["parameter"]},
                       "outputs": {"out": {"value": {"get_param": "P"}}}})
    params = {"P": case["value"]} if "value" in case else {}
    defaults = {"P": case["default"]} if "default" in case else {}
    return evaluate(text, params, defaults)


def property_case(title, body):
    """A declaration and what a property of a nested template is given, or a type of OS::Heat::Value."""
    case = template_format.yaml.load(body, Loader=template_format.yaml_loader)
    value = case["value"]
    if "resource" in case:
        text = {"heat_template_version": "wallaby",
                "resources": {"V": {"type": "OS::Heat::Value", "properties": {"type": case["resource"], "value": value}}},
                "outputs": {"out": {"value": {"get_attr": ["V", "value"]}}}}
        return evaluate(json.dumps(text))
    schema = hot_parameters.HOTParamSchema20180302.from_dict("P", case["property"])
    prop = properties.Property(properties.Schema.from_parameter(schema), "P")
    value = prop.get_value(value, validate=True)
    if prop.type() == properties.Schema.LIST:  # as a nested stack's resource does it
        value = ",".join("" if x is None else x for x in value)
    p = parameters.Parameter("P", schema, value)
    p.validate(context=utils.dummy_context())
    return p.value()


def environment_case(title, body):
    """A map: types of parameters, files in order, types (and names of resources) to look up."""
    case = template_format.yaml.load(body, Loader=template_format.yaml_loader)
    types = case.get("types", {})
    t = template.Template({"heat_template_version": "wallaby",
                           "parameters": {k: {"type": v} for k, v in types.items()}})
    merged = {"parameters": {}, "parameter_defaults": {}, "resource_registry": {},
              "event_sinks": [], "encrypted_param_names": []}
    files = {"e%d.yaml" % i: json.dumps(f) for i, f in enumerate(case["files"])}
    environment_util.merge_environments(sorted(files), files, merged, t.param_schemata())
    env = environment.Environment(merged)
    out = {k: merged[k] for k in ("parameters", "parameter_defaults") if merged[k]}
    for ask in case.get("resolve", []):
        typ, _, name = ask.partition(" of ")
        try:
            info = env.registry.get_resource_info(typ, name or None)
            found = info.template_name if hasattr(info, "template_name") else info.name
        except Exception as e:
            found = "error"
        out.setdefault("resolve", {})[ask] = found
    for ask in case.get("hooks", []):
        out.setdefault("hooks", {})[ask] = {
            "hooks": [h for h in environment.HOOK_TYPES if env.registry.matches_hook(ask, h)],
            "restricted_actions": sorted(env.registry.get_rsrc_restricted_actions(ask))}
    return out


def rewrite(name, run):
    """Runs every case of a file and writes the results back."""
    path = os.path.join(HERE, name)
    preamble, *cases = re.split(r"(?m)^=== ", open(path).read())
    out = preamble
    for case in cases:
        title, rest = case.split("\n", 1)
        body, *parts = re.split(r"(?m)^---", rest)
        kept = "".join("---" + p for p in parts if p.startswith(" ours"))
        old = next((p[1:] for p in parts if not p.startswith(" ours")), "")
        try:
            got = json.dumps(run(title, "".join(l for l in body.splitlines(True) if not l.startswith("#"))), sort_keys=True) + "\n"
            got = re.sub("-[a-z0-9]{12}\"$", "-" + 12 * "x" + "\"", got)
        except Exception as e:
            if os.environ.get("WHY"):
                print(title, "::", type(e).__name__, str(e)[:150].replace("\n", " "))
            got = old if old.startswith("error") else "error\n"
            got = "error\n" if kept else got
        blank = "\n" if case.endswith("\n\n") and not kept.endswith("\n\n") else ""
        out += "=== " + title + "\n" + body.rstrip("\n") + "\n---\n" + got.rstrip("\n") + "\n" + (kept.rstrip("\n") + "\n" if kept else "") + ("\n" if case.endswith("\n\n") else "")
    with open(path, "w") as f:
        f.write(out)
    print(name, len(cases))


def versions(name):
    """Which function, condition function, key and policy came and went with which version."""
    classes = {v: c for (k, v), c in template._template_classes.items() if k == "heat_template_version"}
    dates = sorted(v for v in classes if v[0] == "2")
    seen = {}
    for date in dates:
        cls = classes[date]
        kinds = {"function": [f for f, c in cls.functions.items() if c is not hot_functions.Removed],
                 "condition": cls.condition_functions, "section": cls.SECTIONS, "resource": cls._RESOURCE_KEYS,
                 "output": cls.OUTPUT_KEYS, "deletion_policy": cls.deletion_policies,
                 "parameter": cls.param_schema_class.PARAMETER_KEYS}
        for kind, names in kinds.items():
            for n in names:
                seen.setdefault("%s %s" % (kind, n), []).append(date)
    with open(os.path.join(HERE, name), "w") as f:
        f.write("What the real Heat has from which heat_template_version to which (../golden.py, by hand).\n\n")
        for v in sorted(classes):
            date = next(d for d in reversed(dates) if classes[d] in classes[v].__mro__)
            f.write("version %s\n" % v if v == date else "version %s is %s\n" % (v, date))
        for what in sorted(seen):
            last = "" if seen[what][-1] == dates[-1] else " to " + seen[what][-1]
            f.write("%s from %s%s\n" % (what, seen[what][0], last))
    print(name, len(seen))


def main():
    start()
    todo = {"functions.txt": function_case, "parameters.txt": parameter_case, "properties.txt": property_case,
            "environment.txt": environment_case}
    for name in sys.argv[1:] or list(todo) + ["versions.txt"]:
        if name == "versions.txt":
            versions(name)
        else:
            rewrite(name, todo[name])


main()
