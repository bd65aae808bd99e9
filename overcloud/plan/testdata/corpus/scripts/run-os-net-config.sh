#!/bin/sh
# {{ this is not Jinja: the file is read as it is }}
cat > /etc/os-net-config/config.json <<'JSON'
$network_config
JSON
