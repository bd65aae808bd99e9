#!/usr/bin/python3
"""Writes who.txt anew from Ironic's own policies: a checkout of Ironic is the argument.

Ironic's ironic/common/policy.py is read with stand-ins for the modules it imports; its
check strings are evaluated for each caller towards a node that one project owns
and another leases. Which policies, and in which order, is taken from who.txt as it is."""
import pathlib
import re
import sys
import types

CHAIN = ["admin", "manager", "member", "reader"]
rules = {}


class Anything:
    def __init__(self, *args, **names):
        pass

    def __getattr__(self, name):
        return Anything()

    def __call__(self, *args, **names):
        return args[0] if args and callable(args[0]) else Anything()


def rule(name, check_str, **more):
    rules[name] = check_str


for name in ("oslo_concurrency", "oslo_config", "oslo_log", "oslo_policy", "ironic", "ironic.common"):
    sys.modules[name] = module = types.ModuleType(name)
    module.__getattr__ = lambda name: Anything()
sys.modules["oslo_policy"].policy = types.SimpleNamespace(
    RuleDefault=rule, DocumentedRuleDefault=rule, DeprecatedRule=Anything, Enforcer=Anything, PolicyNotAuthorized=Exception)
source = pathlib.Path(sys.argv[1]) / "ironic/common/policy.py"
exec(compile(source.read_text(), str(source), "exec"), {"__name__": "policy"})


def holds(check, caller):
    """Evaluates a check string. The target's owner and lessee are projects of that name."""
    if check in ("", "!"):
        return check == ""

    def atom(kind, value):
        if kind == "rule":
            return holds(rules[value], caller)
        if kind == "project_id":
            return caller["project"] == value[2:-2].split(".")[1]
        return {"role": value in caller["roles"], "system_scope": caller["system"] and value == "all"}.get(kind, False)

    text = re.sub(r"([a-z_]+):(%\([\w.]+\)s|[\w:]+)", lambda m: "atom(%r, %r)" % m.groups(), check)
    return eval(text, {"atom": atom})


file = pathlib.Path(__file__).with_name("who.txt")
lines = []
for line in file.read_text().splitlines():
    name, may = line.partition(": ")[0], []
    for where in ("system", "owner", "lessee", "other"):
        for role in CHAIN + ["service"]:
            roles = CHAIN[CHAIN.index(role):] if role in CHAIN else [role]
            if holds(rules[name], {"roles": roles, "system": where == "system", "project": where}):
                may.append(where + " " + role)
    lines.append(name + ": " + ", ".join(may) + "\n")
file.write_text("".join(lines))
