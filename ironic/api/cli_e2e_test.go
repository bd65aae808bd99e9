//go:build e2e

package api_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
)

// transcript is one command of testdata/cli-transcript.txt with what the real
// client printed against Debian's Ironic.
type transcript struct {
	command, output string
	exit            int
}

var footer = regexp.MustCompile(`(?m)^\[[0-9.]+s \d+KB rc=(\d+)\]\n?`)

func readTranscript(t *testing.T) []transcript {
	t.Helper()
	data, err := os.ReadFile("testdata/cli-transcript.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []transcript
	for _, block := range strings.Split("\n"+string(data), "\n$ ")[1:] {
		command, output, _ := strings.Cut(block, "\n")
		tr := transcript{command: command}
		if m := footer.FindStringSubmatch(output); m != nil && m[1] != "0" {
			tr.exit = 1
		}
		output = footer.ReplaceAllString(output, "")
		tr.output = strings.ReplaceAll(output, "Command exited with non-zero status 1\n", "")
		out = append(out, tr)
	}
	return out
}

// TestRealClientPrintsWhatItPrintsAgainstIronic runs Debian's openstack client over
// the whole transcript and compares cell by cell, over the conductor, its jobs and
// SQLite: with each way to log in, which the recorded service did not ask for.
func TestRealClientPrintsWhatItPrintsAgainstIronic(t *testing.T) {
	client := openstackclient.Start(t)
	tokens, keystoneEnv := keystone(t)
	for _, login := range []struct {
		name string
		auth func(http.Handler) http.Handler
		env  func(url string) []string
	}{
		{"noauth", nil, func(url string) []string { return []string{"OS_AUTH_TYPE=none", "OS_ENDPOINT=" + url} }},
		{"http_basic", basic(t), func(url string) []string {
			return []string{"OS_AUTH_TYPE=http_basic", "OS_ENDPOINT=" + url, "OS_USERNAME=admin", "OS_PASSWORD=secret"}
		}},
		{"keystone", tokens, func(url string) []string { return append(keystoneEnv(url), domains()...) }},
	} {
		t.Run(login.name, func(t *testing.T) {
			env := login.env(realService(t, login.auth))
			runTranscript(t, func(command string) (string, int) { return runWith(t, client, env, command) })
			if login.auth == nil {
				return
			}
			got, exit := runWith(t, client, append(env, "OS_PASSWORD=wrong"), "openstack baremetal node list")
			if exit == 0 || !strings.Contains(got, "401") && !strings.Contains(got, "Incorrect username or password") {
				t.Errorf("wrong password: exit code %d: %s", exit, got)
			}
		})
	}
}

func domains() []string {
	return []string{"OS_USER_DOMAIN_NAME=Default", "OS_PROJECT_DOMAIN_NAME=Default", "OS_IDENTITY_API_VERSION=3"}
}

// TestRealClientOverTheStandIn holds the stand-in of a conductor, over which the other
// tests of this package run, to the same transcript.
func TestRealClientOverTheStandIn(t *testing.T) {
	client, url := openstackclient.Start(t), newRig(t).url
	runTranscript(t, func(command string) (string, int) { return runClient(t, client, url, command) })
}

func runTranscript(t *testing.T, run func(command string) (output string, exit int)) {
	t.Helper()
	const recorded = "4ab611e7-f466-4b9f-ba8d-dd57fbd60aa2"
	uuid := recorded
	commands := readTranscript(t)
	if len(commands) != 29 {
		t.Errorf("the transcript has %d commands, not 29", len(commands))
	}
	for _, tr := range commands {
		command := strings.ReplaceAll(tr.command, recorded, uuid)
		got, exit := run(command)
		if exit != tr.exit {
			t.Errorf("%s: exit code %d, recorded %d: %s", command, exit, tr.exit, got)
		}
		if diff := compareOutput(newer(command, got), tr.output, ownCell); diff != "" {
			t.Errorf("%s: %s\n--- got\n%s--- recorded\n%s", command, diff, got, tr.output)
		}
		if m := createdUUID.FindStringSubmatch(got); m != nil && strings.Contains(command, "node create") {
			uuid = m[1]
		}
	}
}

var historyRow = regexp.MustCompile(`(?m)^\| [0-9a-f-]{36} \| .* \| (INFO|ERROR) +\| .*\n`)

// newer takes the history of what went well out of an output: Ironic writes down only
// what failed.
func newer(command, output string) string {
	if strings.Contains(command, "history list") && historyRow.MatchString(output) {
		return "\n"
	}
	return output
}

var createdUUID = regexp.MustCompile(`(?m)^\| uuid +\| (\S+) `)

func runClient(t *testing.T, client *openstackclient.Client, url, command string) (string, int) {
	t.Helper()
	return runWith(t, client, []string{"OS_AUTH_TYPE=none", "OS_ENDPOINT=" + url}, command)
}

func runWith(t *testing.T, client *openstackclient.Client, env []string, command string) (string, int) {
	t.Helper()
	return client.Combined(t, env, strings.Fields(command)[1:]...)
}

var (
	uuidCell = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	timeCell = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$`)
)

// cells breaks output into rows of cells; ids and times become their kind.
func cells(output string) [][]string {
	var rows [][]string
	for _, line := range strings.Split(strings.TrimRight(output, "\n"), "\n") {
		if strings.HasPrefix(line, "+-") || line == "" {
			continue
		}
		row := strings.Split(strings.Trim(line, "|"), "|")
		for i := range row {
			row[i] = uuidCell.ReplaceAllString(strings.TrimSpace(row[i]), "<uuid>")
			if strings.HasPrefix(row[i], "{'") { // Go does not keep the order of an object's members
				parts := strings.Split(strings.Trim(row[i], "{}"), ", ")
				slices.Sort(parts)
				row[i] = strings.Join(parts, ", ")
			}
			if timeCell.MatchString(row[i]) {
				row[i] = "<time>"
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// ownCell reports what the two conductors do differently: the peer's notes and its
// fake inspection, which takes no time.
func ownCell(name string) bool {
	switch strings.ToLower(strings.ReplaceAll(name, " ", "_")) {
	case "driver_internal_info", "inspection_started_at", "inspection_finished_at":
		return true
	}
	return false
}

func compareOutput(got, recorded string, own func(string) bool) string {
	g, w := cells(got), cells(recorded)
	if len(g) != len(w) {
		return fmt.Sprintf("%d rows, recorded %d", len(g), len(w))
	}
	for i := range w {
		if len(g[i]) != len(w[i]) {
			return fmt.Sprintf("row %d has %d cells, recorded %d", i, len(g[i]), len(w[i]))
		}
		for j := range w[i] {
			if g[i][j] == w[i][j] || own(w[0][j]) || own(w[i][0]) || w[i][0] == "updated_at" {
				continue
			}
			return fmt.Sprintf("row %d cell %d is %q, recorded %q", i, j, g[i][j], w[i][j])
		}
	}
	return ""
}
