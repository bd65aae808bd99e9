#!/usr/bin/python3
"""Evaluates TripleO's whole trees with the classes of the real Heat and writes
heat-CASE.sha256, which the plan is held to. Run by hand, with Debian's
python3-heat, python3-heatclient and python3-jinja2:

    HEAT_DUMP=/tmp/heat go test -run TestTreesEvaluateAsHeatDoes ./overcloud/plan
    heatwhole.py DIR_WITH_TAR_XZ /tmp/heat [CASE...]

What is language is Heat's own: templates of every version with their functions
and conditions, parameters, properties that become parameters, environments and
the registry, groups and chains with their attributes, yaql. Ours is only what a
cloud does: a resource's identifier and what it is like once it runs. That is
taken from the dump of the plan, so that both sides plan the same addresses.

Maps are written with sorted keys and a float that is whole as an integer, for
ours keep neither. No list and no text of these trees depends on the order in
which Python goes through a map. Heat's notes (constraints, properties that are
unknown) are printed; there must be none. Nothing of the trees themselves is
written but checksums and names."""
import copy
import hashlib
import json
import logging
import os
import sys
import threading
import warnings

warnings.simplefilter("ignore")
from oslo_config import cfg
from heat.common import environment_util, exception, identifier, template_format
from heat.engine import attributes, constraints, environment, function, resources, rsrc_defn, stk_defn, template, template_files
from heat.engine.resources import template_resource
from heat.engine.resources.openstack.heat import none_resource, resource_chain, resource_group, software_deployment, value
from heat.scaling import template as scaling
from heatclient.common import template_utils

import trees

TREE = "/usr/share/openstack-tripleo-heat-templates/"
CASES = {"queens": ("queens", "network_data.yaml"),
         "queens-isolated": ("queens", "network_data.yaml"),
         "wallaby": ("wallaby", "network_data_default.yaml"),
         "corpus": ("corpus", "network_data.yaml"),
         "corpus-subnets": ("corpus", "network_data_subnets.yaml")}


def canonical(v):
    """JSON with sorted keys; whole floats are integers, tuples and sets lists."""
    def plain(v):
        if isinstance(v, float) and v.is_integer():
            return int(v)
        if isinstance(v, dict):
            return {str(k): plain(e) for k, e in v.items()}
        if isinstance(v, (list, tuple)):
            return [plain(e) for e in v]
        return v
    return json.dumps(plain(v), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def identify(path):
    """The identifier that our planner gives to what has this path."""
    h = bytearray(hashlib.sha1(path.encode()).digest()[:16])
    h[6], h[8] = h[6] & 0x0F | 0x50, h[8] & 0x3F | 0x80
    x = h.hex()
    return "-".join((x[:8], x[8:12], x[12:16], x[16:20], x[20:]))


class Files(dict):
    """The rendered tree; a script that is not there is a marker text, as in the Go test."""
    def __init__(self, root, rendered):
        super().__init__(rendered)
        self.root = root

    def __missing__(self, name):
        path = os.path.join(self.root, name)
        if os.path.exists(path):
            return open(path).read()
        if name.endswith((".yaml", ".j2")):
            raise KeyError(name)
        return "<%s>" % name

    def __contains__(self, name):
        return super().__contains__(name) or os.path.exists(os.path.join(self.root, name)) or not name.endswith((".yaml", ".j2"))

    def get(self, name, default=None):
        return self[name] if name in self else default

    def texts(self):
        """Every file of the tree as it is after rendering."""
        names = [os.path.relpath(os.path.join(d, f), self.root) for d, _, files in os.walk(self.root) for f in files]
        return {n: self[n] for n in list(self) + names if not n.endswith((".j2", ".j2.yaml"))}


class World:
    """One case: the tree, what is planned, and every resource by its identifier."""
    def __init__(self, files, planned):
        self.files, self.planned = template_files.TemplateFiles(None), planned
        self.files.files = self.tree = files
        self.parsed, self.by_id, self.notes = {}, {}, []

    def load(self, name):
        """A template as a client sends it: through JSON, with names of files made whole."""
        if name not in self.parsed:
            t = json.loads(json.dumps(template_format.simple_parse(self.tree[name])))
            self.parsed[name] = whole_names(t, os.path.dirname(name))
        return copy.deepcopy(self.parsed[name])


def whole_names(v, folder):
    """python-heatclient makes addresses of what get_file and type name."""
    if isinstance(v, list):
        return [whole_names(e, folder) for e in v]
    if not isinstance(v, dict):
        return v
    out = {}
    for k, e in v.items():
        if isinstance(e, str) and (k == "get_file" or k == "type" and e.endswith((".yaml", ".template"))):
            out[k] = os.path.normpath(os.path.join(folder, e))
        else:
            out[k] = whole_names(e, folder)
    return out


class Stack:
    """A stack: Heat's definition of it over resources that are made when asked for."""
    def __init__(self, world, path, parsed, env):
        self.world, self.path, self.env, self.made = world, path, env, {}
        t = template.Template(parsed, files=world.files, env=env)
        self.defn = stk_defn.StackDefinition(None, t, identifier.HeatIdentifier("", path, identify(path)), self)
        try:
            self.defn.parameters.validate(validate_value=True, context=None)
        except Exception as e:
            world.notes.append("%s: parameters: %s" % (path, e))

    def get(self, name):
        if name not in self.made and name in self.defn.enabled_rsrc_names():
            self.made[name] = None
            self.made[name] = make(self, self.defn.resource_definition(name))
        return self.made.get(name)

    def __getitem__(self, name):
        if name not in self.defn.enabled_rsrc_names():
            raise KeyError(name)
        return self.get(name)

    def output(self, name):
        if name not in self.defn.enabled_output_names():
            raise exception.NotFound(name)
        return self.defn.output_definition(name).get_value()

    def complete(self):
        for name in self.defn.enabled_rsrc_names():
            for child in self.get(name).children():
                child.complete()
        for name in self.defn.enabled_output_names():
            self.output(name)


class Resource:
    """What the functions ask of a resource that has been created."""
    action, status, context = "CREATE", "COMPLETE", None

    def __init__(self, stack, defn):
        self.stack, self.defn, self.name = stack, defn, defn.name
        self.path = stack.path + "." + defn.name
        self.properties_data = function.resolve(defn._properties) or {}
        for part in (defn._metadata, defn._update_policy, defn._external_id):
            function.resolve(part)
        stack.world.by_id[identify(self.path)] = self

    def children(self):
        return []

    def reference_id(self):
        return identify(self.path)

    def attribute(self, attr):
        attr = (attr,) if isinstance(attr, str) else attr
        return self.FnGetAtt(*attr)

    def FnGetRefId(self):
        return self.reference_id()

    def FnGetAtt(self, key, *path):
        planned = self.stack.world.planned.get(self.path, {})
        got = planned[key] if key in planned else self.properties_data.get(key)
        return attributes.select_from_attribute(got, path)

    def shown(self):
        return self.properties_data


class Nothing(Resource):
    def FnGetAtt(self, key, *path):
        return None

    def shown(self):
        return None


class Nested(Resource):
    """A template that stands for a type."""
    resource_id = "made"

    def __init__(self, stack, defn, info):
        super().__init__(stack, defn)
        parsed = stack.world.load(info.template_name)
        props, _ = template_resource.TemplateResource.get_schemas(template.Template(parsed), stack.env.param_defaults)
        self.properties = defn.properties(props)
        try:
            self.properties.validate()
        except Exception as e:
            stack.world.notes.append("%s: %s" % (self.path, e))
        params = template_resource.TemplateResource.child_params(self)
        params = json.loads(json.dumps(params))
        env = environment.get_child_environment(stack.env, params, item_to_remove=info, child_resource_name=self.name)
        self.below = Stack(stack.world, self.path, parsed, env)

    def nested(self):
        return self.below  # for resource.NAME

    def children(self):
        return [self.below]

    def get_output(self, name):
        return self.below.output(name)

    def reference_id(self):
        if "OS::stack_id" in self.below.defn.enabled_output_names():
            return self.below.output("OS::stack_id")
        return identify(self.path)

    def FnGetAtt(self, key, *path):
        return template_resource.TemplateResource.get_attribute(self, key, *path)


class Members(Resource):
    """A group or a chain: Heat's class says who its members are and what their attributes come to."""
    def __init__(self, stack, defn, info):
        super().__init__(stack, defn)
        cls = info.value
        real = type("Real", (cls,), {"__init__": lambda r: None, "data": lambda r: {}, "rpc_client": lambda r: None,
                                     "nested_identifier": lambda r: None, "nested": lambda r: self.nested})
        r = object.__new__(real)
        r.name, r.context, r.resource_id, r.stack = self.name, None, None, stack
        r.get_output = self.get_output
        r.properties = defn.properties(cls.properties_schema)
        if issubclass(cls, resource_group.ResourceGroup):
            what = r.get_resource_def()
            tuples = [(n, r.build_resource_definition(n, what)) for n in r._resource_names()]
        else:
            types = r.properties[r.RESOURCES]
            tuples = [(n, r._build_resource_definition(n, t)) for n, t in zip(r._resource_names(types), types)]
        self.names = [n for n, _ in tuples]
        env = environment.get_child_environment(stack.env, {}, item_to_remove=info, child_resource_name=self.name)
        parsed = json.loads(json.dumps(scaling.make_template(tuples).t, default=lambda f: f.__reduce__()[1][0]))
        self.real, self.nested = r, Stack(stack.world, self.path, parsed, env)

    def get_output(self, name):
        raise exception.NotFound(name)  # Heat falls back to asking the members

    def children(self):
        return [self.nested]

    def FnGetAtt(self, key, *path):
        return type(self.real).get_attribute(self.real, key, *path)


class Deployments(Resource):
    def FnGetAtt(self, key, *path):
        return attributes.select_from_attribute({}, path)  # empty until they have run


class Value(Resource):
    def __init__(self, stack, defn):
        super().__init__(stack, defn)
        self.real = r = object.__new__(value.Value)
        r.t, r.name, r.context, r.stack = defn, self.name, None, stack
        r.translate_properties = lambda *a: None
        r.reparse()
        r._stored_properties_data = self.properties_data
        try:
            r.properties.validate()
        except Exception as e:
            stack.world.notes.append("%s: %s" % (self.path, e))

    def FnGetAtt(self, key, *path):
        if key != "value":
            raise exception.InvalidTemplateAttribute(resource=self.name, key=key)
        return attributes.select_from_attribute(self.real._resolve_attribute(key), path)

    def shown(self):
        return dict(self.properties_data, value=self.real._resolve_attribute("value"))


def make(stack, defn):
    info = stack.env.get_resource_info(defn.resource_type, resource_name=defn.name)
    if isinstance(info, environment.TemplateResourceInfo):
        return Nested(stack, defn, info)
    cls = info.value
    if issubclass(cls, none_resource.NoneResource):
        return Nothing(stack, defn)
    if issubclass(cls, software_deployment.SoftwareDeploymentGroup):
        return Deployments(stack, defn)
    if issubclass(cls, (resource_group.ResourceGroup, resource_chain.ResourceChain)):
        return Members(stack, defn, info)
    if issubclass(cls, value.Value):
        return Value(stack, defn)
    return Resource(stack, defn)


def whole_types(registry, folder):
    """The same of a registry and of its section resources."""
    for k, v in registry.items():
        if isinstance(v, dict):
            whole_types(v, folder)
        elif isinstance(v, str) and v.endswith((".yaml", ".template")):
            registry[k] = os.path.normpath(os.path.join(folder, v))


def merged(world, given):
    """The environment, merged as python-heatclient does; where a file has merge strategies, as Heat does."""
    env = {"parameters": {}, "parameter_defaults": {}, "resource_registry": {}}
    parts = []

    def add(name, text):
        e = json.loads(json.dumps(template_format.yaml.load(text, Loader=template_format.yaml_loader) or {}))
        whole_types(e.get("resource_registry") or {}, os.path.dirname(name))
        parts.append((name, {k: v for k, v in e.items() if v is not None}))

    for e in given["base"]:
        add(e["name"], e["data"])
    plan = template_format.yaml.load(world.tree.get("plan-environment.yaml") or "{}", Loader=template_format.yaml_loader)
    for e in plan.get("environments") or [{"path": "overcloud-resource-registry-puppet.yaml"}]:
        add(e["path"], world.tree[e["path"]])
    parts.append(("given", {"parameter_defaults": given["defaults"]}))
    for name in given["environments"]:
        add(name, world.tree[name])

    if any("parameter_merge_strategies" in e for _, e in parts):
        env.update(encrypted_param_names=[], event_sinks=[])
        texts = {n: t for n, t in world.tree.texts().items() if "heat_template_version" in t and n.endswith(".yaml")}
        schemata = template.Template(world.load("overcloud.yaml")).all_param_schemata(texts)
        environment_util.merge_environments([n for n, _ in parts], {n: json.dumps(e) for n, e in parts}, env, schemata)
    else:
        for _, e in parts:
            template_utils.deep_update(env, {k: v for k, v in e.items() if k in env})
    return env


def items(root):
    """What is compared: name → value."""
    out = {}
    outputs = {n: root.output(n) for n in root.defn.enabled_output_names()}
    for n, v in outputs.items():
        out["output " + n] = v
    for n, v in (outputs.get("EndpointMap") or {}).items():
        out["EndpointMap " + n] = v
    for role, data in (outputs.get("RoleData") or {}).items():
        out["RoleData " + role] = data
        for k, v in data.items():
            out["RoleData %s %s" % (role, k)] = v
    for n, r in root.made.items():
        out["resource " + n] = r.shown()

    def walk(s, group=False):
        if group:  # ours has no stack between a group and its members
            return [walk(child) for r in s.made.values() for child in r.children()]
        out["stack " + s.path] = {
            "parameters": {n: s.defn.parameters[n] for n in s.defn.parameters if not n.startswith("OS::")},
            "outputs": {n: s.output(n) for n in s.defn.enabled_output_names()},
            "resources": {n: r.shown() for n, r in s.made.items()}}
        if "role_data" in s.defn.enabled_output_names() and "ServiceChain" in s.path and s.output("role_data"):
            v = s.output("role_data")
            out["service %s %s" % (s.path, v.get("service_name"))] = v
        for r in s.made.values():
            if "Deployment" in r.defn.resource_type and r.shown() and ("server" in r.properties_data or "servers" in r.properties_data):
                p, c = r.properties_data, s.world.by_id.get(r.properties_data.get("config"))
                c = c.properties_data if c else {}
                out["deployment " + r.path] = {"servers": p.get("servers") or p.get("server"), "inputs": p.get("input_values"),
                                              "name": p.get("name"), "config": c.get("config"), "group": c.get("group"), "options": c.get("options")}
            for child in r.children():
                walk(child, isinstance(r, Members))
    walk(root)
    return out


def start():
    cfg.CONF([], project="heat", default_config_files=[], default_config_dirs=[])
    logging.disable(logging.CRITICAL)
    for limit in ("limit_iterators", "memory_quota"):
        cfg.CONF.set_override(limit, 10**8, group="yaql")  # the undercloud raises them, too
    cfg.CONF.set_override("max_template_size", 10**8)
    resources.initialise()
    constraints.CustomConstraint.validate = lambda *a, **k: None  # flavors and images are the cloud's


def run(case, data, dump):
    tree, networks = CASES[case]
    with trees.unpacked(data, tree) as root:
        rendered = trees.render_set(root, "roles_data.yaml", networks)
        given = json.load(open(os.path.join(dump, case + "-given.json")))
        world = World(Files(root, rendered), given["planned"])
        env = environment.Environment(merged(world, given))
        stack = Stack(world, "overcloud", world.load("overcloud.yaml"), env)
        stack.complete()
        got = {k: canonical(v) for k, v in items(stack).items()}
    for note in world.notes:
        print(case, "note:", note)
    with open(os.path.join(dump, case + "-heat.json"), "w") as f:
        json.dump(got, f)
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "heat-%s.sha256" % case), "w") as f:
        for name in sorted(got):
            f.write("%s  %s\n" % (hashlib.sha256(got[name].encode()).hexdigest(), name))
    ours = json.load(open(os.path.join(dump, case + "-ours.json")))
    differ = [n for n in sorted(set(got) | set(ours)) if got.get(n) != ours.get(n)]
    print(case, len(got), "items,", len(differ), "differ:", *differ[:40], sep="\n  ")


def main():
    start()
    for case in sys.argv[3:] or CASES:
        run(case, sys.argv[1], sys.argv[2])


if __name__ == "__main__":
    sys.setrecursionlimit(10**6)
    threading.stack_size(512 << 20)
    t = threading.Thread(target=main)
    t.start()
    t.join()
