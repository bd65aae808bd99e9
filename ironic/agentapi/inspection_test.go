package agentapi

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
)

func TestBadInspectionDataSaysWhereAndWhat(t *testing.T) {
	const schema = "the inspection data is not in ironic-python-agent's schema: "
	for name, c := range map[string]struct{ payload, words string }{
		"text for a number":  {`{"inventory":{"disks":[{"size":1},{"size":"10 GiB"}]}}`, schema + `inventory.disks[1].size: expected a whole number of 64 bits, found the text "10 GiB"`},
		"number for a text":  {`{"inventory":{"interfaces":[{"mac_address":5}]}}`, schema + `inventory.interfaces[0].mac_address: expected a text, found the number 5`},
		"half a number":      {`{"inventory":{"memory":{"physical_mb":1.5}}}`, schema + `inventory.memory.physical_mb: expected a whole number of 64 bits, found the number 1.5`},
		"far too much":       {`{"inventory":{"disks":[{"size":99999999999999999999}]}}`, `inventory.disks[0].size: expected a whole number of 64 bits, found the number 99999999999999999999`},
		"object for a list":  {`{"inventory":{"interfaces":{}}}`, schema + `inventory.interfaces: expected a list, found an object`},
		"list for an object": {`{"inventory":{"cpu":[]}}`, schema + `inventory.cpu: expected an object, found a list`},
		"text for a truth":   {`{"inventory":{"disks":[{"rotational":"yes"}]}}`, schema + `inventory.disks[0].rotational: expected true or false, found the text "yes"`},
		"behind a pointer":   {`{"inventory":{},"root_disk":{"wwn":true}}`, schema + `root_disk.wwn: expected a text, found true`},
		"in LLDP":            {`{"inventory":{"interfaces":[{"lldp":[[1,"00"],2]}]}}`, schema + `inventory.interfaces[0].lldp[1]: expected a list, found the number 2`},
		"in another case":    {`{"inventory":{"CPU":{"Count":"four"}}}`, schema + `inventory.CPU.Count: expected a whole number of 64 bits, found the text "four"`},
		"a list":             {`[1]`, schema + `expected an object, found a list`},
		"null":               {`null`, `the inspection data holds no inventory`},
		"no inventory":       {`{"error":"x"}`, `the inspection data holds no inventory: inventory: expected an object, found nothing`},
		"null for one":       {`{"inventory":null}`, `the inspection data holds no inventory`},
		"a text of one":      {`{"inventory":"x"}`, `inventory: expected an object, found the text "x"`},
		"cut short":          {`{"inventory":{`, `the inspection data is no valid JSON: line 1, byte 14: unexpected end`},
		"empty":              {``, `line 1, byte 0: unexpected end`},
		"no JSON":            {"{\n\"inventory\": x}", `the inspection data is no valid JSON: line 2, byte 16: `},
		"two":                {`{"inventory":{}} {}`, `the inspection data is no valid JSON: line 1, byte 18: `},
		"a long text":        {`{"inventory":{"cpu":{"count":"` + strings.Repeat("x", 1000) + `"}}}`, `found the text "` + strings.Repeat("x", 40) + `…"`},
	} {
		_, err := ParseInspectionData([]byte(c.payload))
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "unmarshal") || len(err.Error()) > 300 {
			t.Errorf("%s: %v\nwant %s", name, err, c.words)
		}
	}
	d, err := ParseInspectionData([]byte(`{"inventory":{"disks":[{"size":5,"wwn":null,"serial":null,"new":{"x":1}}],"cpu":null},"error":null,"other":[]}`))
	if err != nil || d.Inventory.Disks[0].Size != 5 {
		t.Errorf("%+v %v", d, err)
	}
}

// What encoding/json refuses is told in our words.
func FuzzParseInspectionData(f *testing.F) {
	for _, s := range []string{`{"inventory":{"disks":[{"size":1e2}]}}`, `{"Inventory":{}}`, `{"inventory":{},"inventory":[]}`, `{"inventory":{},"configuration":{"a":[null]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		_, err := ParseInspectionData(payload)
		if err != nil && (!errs.Is(err, errs.Invalid) || strings.Contains(err.Error(), "json: cannot")) {
			if !strings.Contains(string(payload), "json: cannot") {
				t.Errorf("%v", err)
			}
		}
	})
}
