#!/bin/bash
# Runs the deployment's playbook; arguments are handed on: --limit, --tags …
cd "$(dirname "$(readlink -f "$0")")" || exit 1
export ANSIBLE_CONFIG="$PWD/ansible.cfg"
exec ansible-playbook -v --become --inventory tripleo-ansible-inventory.yaml deploy_steps_playbook.yaml "$@"
