# Runs /usr/bin/openstack once per line of fd 3, each in a fork of a process that has
# imported what every command imports. Answers on fd 4: the process's id, then its exit code.
import gc
import json
import os
import runpy
import sys
import time

PROGRAM = "/usr/bin/openstack"
# As in the program itself, while modules are imported too: cliff takes its name from there.
sys.path[0] = os.path.dirname(PROGRAM)
sys.argv[0] = PROGRAM

import cliff.command
import openstackclient.shell  # noqa: F401
from stevedore import _cache

# The client loads all commands of all its plugins at each start, and all logins of keystoneauth.
for group in list(_cache._c._get_data_for_path(None)["groups"]):
    if group.startswith(("openstack.", "cliff.formatter.", "keystoneauth1.")):
        for entry in _cache._c.get_group_all(group):
            try:
                entry.load()
            except Exception:
                pass  # the command meets it again, and says it
# Which package a command is of, for the last line of its help: it reads the metadata of all packages.
cliff.command._get_distributions_by_modules()
gc.freeze()


def become(job):
    for fd, name in ((0, os.devnull), (1, job["out"]), (2, job["err"])):
        flags = os.O_RDONLY if fd == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        file = os.open(name, flags, 0o600)
        os.dup2(file, fd)
        os.close(file)
    os.chdir(job["dir"])
    os.environ.clear()
    os.environ.update(job["env"])
    time.tzset()
    sys.argv = [PROGRAM] + job["args"]


def serve():
    """Returns a job in the process that is to do it, and never where they are given out."""
    jobs, answers = open(3), open(4, "w")
    for line in iter(jobs.readline, ""):
        child = os.fork()
        if child == 0:
            jobs.close()
            answers.close()
            return json.loads(line)
        print(child, file=answers, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)
    os._exit(0)


become(serve())
runpy.run_path(PROGRAM, run_name="__main__")
