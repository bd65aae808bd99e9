package deploy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"trefoil/internal/golden"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// TestWhatStepsCost takes in what machines tell, as they print it, and shows what the report
// says of it. Lines of testdata/spent.txt: "# what happens", "MACHINE STEP EVENT", "= REPORT".
func TestWhatStepsCost(t *testing.T) {
	f, err := os.Open("testdata/spent.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out strings.Builder
	sum := stack.Summary{Seconds: map[string]int{"step 1": 1}}
	report := func() {
		lines := sum.Timing()[1:] // behind "Time:"
		if len(lines) == 0 {
			lines = []string{"nothing"}
		}
		for _, line := range lines {
			fmt.Fprintln(&out, "= "+strings.TrimSpace(line))
		}
		sum.Spent = nil
	}
	told := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "="):
			continue
		case line == "" && told:
			report()
			told = false
		case line != "" && line[0] != '#':
			told = true
			var at stepOf
			var ev resource.Event
			text := line[strings.Index(line, "{"):]
			if _, err := fmt.Sscan(line, &at.node, &at.step); err != nil {
				t.Fatal(line, err)
			}
			if err := json.Unmarshal([]byte(text), &ev); err != nil {
				t.Fatal(line, err)
			}
			sum.Spent = hear(sum.Spent, at, ev)
			for _, x := range sum.Spent {
				if x.Seconds() < 0 {
					t.Errorf("%s: %+v", line, x)
				}
			}
		}
		fmt.Fprintln(&out, line)
	}
	golden.Check(t, "spent.txt", out.String())
}
