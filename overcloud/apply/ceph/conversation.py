# Asks Ceph's monitors, one command a line of standard input, and answers with
# one line each, in the same order. Lines up to an empty one are asked at the
# same time: a change takes a monitor a second by itself, and many together no
# longer. It ends after lines of which one was refused.
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import rados

name, keyring, seconds = sys.argv[1:4]
cluster = rados.Rados(name=name, conffile="/etc/ceph/ceph.conf", conf={
    "keyring": keyring, "client_mount_timeout": seconds, "rados_mon_op_timeout": seconds})


def answer(line):
    question = json.loads(line)
    code, output, status = cluster.mon_command(json.dumps(question["command"]), question["input"].encode())
    return {"code": code, "output": output.decode(), "status": status}


waves = sys.stdin.read().split("\n\n")
cluster.connect()
with ThreadPoolExecutor(max_workers=16) as pool:
    for wave in waves:
        answers = list(pool.map(answer, wave.splitlines()))
        for a in answers:
            print(json.dumps(a), flush=True)
        if any(a["code"] for a in answers):
            break
cluster.shutdown()
