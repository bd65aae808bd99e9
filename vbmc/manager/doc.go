// Package manager runs the virtual BMCs of many domains in one process.
//
// Its configuration is virtualbmc's, file for file: <config_dir>/DOMAIN/config
// with the same keys, re-read when somebody edits it, started and stopped by
// `active`. A unix socket in config_dir, open to its owner only, takes commands
// from the vbmc program.
package manager
