package install

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhatIsWaitedForIsTold each half minute with how long, and no more once it is over.
func TestWhatIsWaitedForIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := &logger{opt: Options{Now: time.Now}, out: &out}
		over := l.waits(time.Now(), "the service to answer at %s", "http://192.0.2.1:5000")
		time.Sleep(61 * time.Second)
		over()
		time.Sleep(time.Hour)
		got := out.String()
		if strings.Count(got, "\n") != 2 || !strings.Contains(got, "INFO: Waiting for the service to answer at http://192.0.2.1:5000, 60 s so far\n") {
			t.Errorf("told %q", got)
		}
	})
}
