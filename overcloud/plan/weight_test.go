package plan_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"trefoil/overcloud/plan"
)

// Sixty maps that each hold the one before twice fit in memory and on no disk: the
// plan is refused, before anybody writes it out.
func TestListsThatHoldEachOtherAreRefused(t *testing.T) {
	head, body, _ := strings.Cut(service, "outputs:\n")
	var doubled strings.Builder
	doubled.WriteString(head + "resources:\n  v0: {type: OS::Heat::Value, properties: {type: json, value: {a: b}}}\n")
	for i := 1; i <= 60; i++ {
		fmt.Fprintf(&doubled, "  v%d: {type: OS::Heat::Value, properties: {type: json, value: {a: {get_attr: [v%d, value]}, b: {get_attr: [v%d, value]}}}}\n", i, i-1, i-1)
	}
	doubled.WriteString("outputs:\n" + body + "      service_name: kernel\n      config_settings: {x: {get_attr: [v60, value]}}\n")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := plan.Build(ctx, overlay(t, map[string]string{"deployment/kernel/kernel.yaml": doubled.String()}), article(t))
	if err == nil || !strings.Contains(err.Error(), "would be larger than 256 MiB") {
		t.Fatalf("got %v", err)
	}
}
