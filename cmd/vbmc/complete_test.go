package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompletion has bash ask: names of BMCs, and behind add those of domains without one.
func TestCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash: ", err)
	}
	dir := t.TempDir()
	for name, says := range map[string]string{"vbmc": "node1\nother", "virsh": "node2\nnode1\nother\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho '"+says+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, script, _ := vbmc(t, dir, "complete")
	for words, want := range map[string]string{"vbmc start no": "node1", "vbmc add no": "node2", "vbmc ad": "add", "vbmc stop": "stop"} {
		last := strings.Count(words, " ")
		cmd := exec.Command(bash, "-c", script+"\nCOMP_WORDS=("+words+") COMP_CWORD="+string(rune('0'+last))+"\n_vbmc\necho \"${COMPREPLY[*]}\"")
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want+"\n" {
			t.Errorf("%s: %q, %v, want %s", words, out, err, want)
		}
	}
}
