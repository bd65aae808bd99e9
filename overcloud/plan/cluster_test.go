package plan_test

import (
	"slices"
	"strings"
	"testing"
)

func TestSeveralControllersAreToldNotToBeACluster(t *testing.T) {
	o := article(t)
	told := func() bool {
		return slices.ContainsFunc(build(t, o).Warnings, func(w string) bool {
			return strings.HasPrefix(w, "mysql on 3 machines, rabbitmq on 3 machines: each stands by itself")
		})
	}
	if told() {
		t.Error("one controller is warned about")
	}
	o.Counts["Controller"], o.Parameters["NtpServer"] = 3, []any{"ntp.example.com"}
	if !told() {
		t.Errorf("not told: %q", build(t, o).Warnings)
	}
}
