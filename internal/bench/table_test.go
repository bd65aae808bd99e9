package bench

import (
	"strings"
	"testing"
)

func TestRatioSaysHowManyTimesBetter(t *testing.T) {
	for _, c := range []struct {
		row  Row
		want string
	}{
		{Row{Ours: Figure{3000, "sessions/s"}, Peer: Figure{1000, "sessions/s"}}, "3×"},
		{Row{Ours: Figure{500, "MB/s"}, Peer: Figure{1000, "MB/s"}}, "0.5×"},
		{Row{Ours: Figure{2, "ms"}, Peer: Figure{17.7, "ms"}, Less: true}, "8.85×"},
		{Row{Ours: Figure{40, "ms"}, Peer: Figure{10, "ms"}, Less: true}, "0.25×"},
		{Row{Ours: Figure{40, "ms"}}, ""},
		{Row{Series: "1 / 2", Peer: Figure{10, "ms"}}, ""},
	} {
		if got := c.row.Ratio(); got != c.want {
			t.Errorf("%+v: ratio %q, want %q", c.row, got, c.want)
		}
	}
}

func TestNumbersKeepThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.012345: "0.0123", 1: "1", 1.204: "1.2", 9.999: "10", 17.74: "17.7", 123.4: "123", 45678.9: "45679"} {
		if got := number(v); got != want {
			t.Errorf("%v is printed as %q, want %q", v, got, want)
		}
	}
}

func TestTableIsReadable(t *testing.T) {
	var b strings.Builder
	err := Print(&b, []Row{
		{What: "node create", Ours: Figure{1.5, "ms"}, Peer: Figure{17.7, "ms"}, Less: true, Note: "one connection"},
		{What: "plan", Series: "1 / 2 / 3 ms"},
	})
	want := `| what        | ours         | peer    | ratio | note           |
|-------------|--------------|---------|-------|----------------|
| node create | 1.5 ms       | 17.7 ms | 11.8× | one connection |
| plan        | 1 / 2 / 3 ms | -       |       |                |

ratio: `
	if err != nil || !strings.HasPrefix(b.String(), want) {
		t.Errorf("%v\n%s", err, b.String())
	}
}
