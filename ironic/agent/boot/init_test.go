package boot

import (
	"reflect"
	"testing"
)

func TestParseParams(t *testing.T) {
	got := ParseParams(`quiet ipa-api-url=http://h:6385/v1?a=b dyndbg="file a +p" BOOTIF=52:54:00:00:00:01` + "\n")
	want := map[string]string{"quiet": "", "ipa-api-url": "http://h:6385/v1?a=b", "dyndbg": "file a +p", "BOOTIF": "52:54:00:00:00:01"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func FuzzParseParams(f *testing.F) {
	f.Add(`a="b c" d`)
	f.Fuzz(func(_ *testing.T, line string) { ParseParams(line) })
}
