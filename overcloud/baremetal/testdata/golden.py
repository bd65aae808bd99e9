#!/usr/bin/env python3
"""Makes NAME.json beside each NAME.yaml: what tripleo-ansible's own code says.

Run once by hand, never by a test:

    git clone (or fetch) openstack-archive/tripleo-ansible, branch stable/wallaby
    python3 golden.py PATH/tripleo_ansible/ansible_plugins

It needs python3-yaml and python3-jsonschema. What those files import of
Ansible, metalsmith and the SDK, and do not use in the functions called here,
is replaced by stand-ins; the machines are stand-ins too: machine i (from 1) has
the address 10.N.0.i/24 on the N-th (from 0) of the networks in use, sorted.
"""
import importlib.util
import json
import pathlib
import sys
import types
from unittest import mock

import yaml

for name in ("metalsmith", "metalsmith.sources", "ansible", "ansible.module_utils", "ansible.module_utils.basic",
             "ansible_collections.openstack.cloud.plugins.module_utils.openstack"):
    sys.modules[name] = mock.MagicMock()
for name in ("ansible_collections", "ansible_collections.openstack", "ansible_collections.openstack.cloud",
             "ansible_collections.openstack.cloud.plugins", "ansible_collections.openstack.cloud.plugins.module_utils"):
    sys.modules[name] = types.ModuleType(name)


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plugins = pathlib.Path(sys.argv[1])
bd = load(plugins / "module_utils/baremetal_deploy.py")
ports = load(plugins / "modules/tripleo_network_ports_populate_environment.py")
TEMPLATES = "/usr/share/openstack-tripleo-heat-templates"


class Row(dict):
    """A dict that is also an object, as the SDK's resources are."""
    __getattr__ = dict.__getitem__
    to_dict = dict


def environment(env, present, role_nets):
    """The three steps of cli-overcloud-node-provision.yaml that fill the environment."""
    nets = sorted({n for nets in role_nets.values() for n in nets})
    address = {i["hostname"]: {n["network"]: "10.%d.0.%d" % (nets.index(n["network"]), at) for n in i["networks"]}
               for at, i in enumerate(present, 1)}

    class Provisioner:
        connection = mock.MagicMock()

        def show_instance(self, hostname):
            nic = Row(network=Row(name="ctlplane", id="ctlplane"), fixed_ips=[{"ip_address": address[hostname]["ctlplane"], "subnet_id": "s"}])
            return Row(hostname=hostname, nics=lambda: [nic])

    Provisioner.connection.network.get_subnet = lambda _: Row(cidr="10.0.0.0/24")
    env = bd.populate_environment([i["hostname"] for i in present], Provisioner(), env, "ctlplane", TEMPLATES)
    node_ports = {h.lower(): {n: {"ip_address": a, "ip_subnet": a + "/24", "ip_address_uri": a} for n, a in by_net.items()}
                  for h, by_net in address.items()}
    capitals = {n: n.title().replace("_", "") for n in nets}
    ports.update_environment(env, node_ports, role_nets, capitals, TEMPLATES)
    return env


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
        "networks": {r: sorted(n) for r, n in nets.items()},
        "roles": roles,
        "environment": environment(env, present, nets),
    }
    path.with_suffix(".json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
