# Asks Ceph's monitors, one command a line of standard input, and answers with
# one line each. It ends after the first command that is refused.
import json
import sys

import rados

name, keyring, seconds = sys.argv[1:4]
cluster = rados.Rados(name=name, conffile="/etc/ceph/ceph.conf", conf={
    "keyring": keyring, "client_mount_timeout": seconds, "rados_mon_op_timeout": seconds})
cluster.connect()
for line in sys.stdin:
    question = json.loads(line)
    code, output, status = cluster.mon_command(json.dumps(question["command"]), question["input"].encode())
    print(json.dumps({"code": code, "output": output.decode(), "status": status}), flush=True)
    if code:
        break
cluster.shutdown()
