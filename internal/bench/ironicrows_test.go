//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// nodesEnv is how many nodes, and BMCs, the rows have; the other counts go with it. Ten are enough to see
// that each row can be measured.
const nodesEnv = "TREFOIL_BENCH_NODES"

func benchNodesWanted(t *testing.T) int {
	text := os.Getenv(nodesEnv)
	if text == "" {
		return 1000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 10 || n > 1000 {
		t.Fatalf("%s is %q: expected a number from 10 to 1000, which is the longest page of both services", nodesEnv, text)
	}
	return n
}

// benchIronic sets the whole service, as a process, beside Debian's Ironic: the same requests
// in turns over loopback. Each note says the aim. Who does not start, or fails in a row, has no figure
// there, and the other has: the bench has failed then, when it has printed what it has.
func benchIronic(t *testing.T) []Row {
	n := benchNodesWanted(t)
	var rows []Row
	t.Run("beside", func(t *testing.T) {
		dir := t.TempDir()
		say("Ironic: starting ours and Debian's")
		peer, _ := startPeerIronic(t, filepath.Join(dir, "peer"))
		both := services{startOurs(t, filepath.Join(dir, "ours")), peer}
		time.Sleep(5 * time.Second) // what the start left is done and collected
		rows = append(rows, both.row("whole service, idle memory (PSS)", "MiB", "aim: 60 MiB or less; peer: API with 2 workers, conductor", 1, (*ironicAt).pss))
		rows = append(rows, both.requestRows(n)...)
		rows = append(rows, both.actionRows(t, n)...)
		rows = append(rows, both.row("the same, after all that (PSS)", "MiB", fmt.Sprintf("%d nodes", n+n/10+1), 1, (*ironicAt).pss))
	})
	t.Run("sync", func(t *testing.T) { rows = append(rows, syncRow(t, n)) })
	t.Run("growth", func(t *testing.T) { rows = append(rows, growthRows(t, []int{n / 10, n, 10 * n})...) })
	return rows
}

// services are ours and the peer's; nil is one that does not start.
type services [2]*ironicAt

// turnLimit bounds one turn of a row; the peer needs a tenth of it in the longest.
const turnLimit = 4 * time.Minute

// row measures both in turns, so many rounds of them, and takes the median of each. A smaller figure is the better one.
func (both services) row(what, unit, note string, rounds int, measure func(*ironicAt) float64) Row {
	var got [2][]float64
	var failed [2]bool
	for range rounds {
		for i, s := range both {
			if s != nil && !failed[i] {
				failed[i] = !s.within(what, turnLimit, func() { got[i] = append(got[i], measure(s)) })
			}
		}
	}
	figure := func(i int) Figure {
		if both[i] == nil || failed[i] {
			return Figure{}
		}
		slices.Sort(got[i])
		return Figure{got[i][len(got[i])/2], unit}
	}
	return Row{What: what, Ours: figure(0), Peer: figure(1), Less: true, Note: note}
}

// requestRows are what the API answers by itself.
func (both services) requestRows(n int) []Row {
	say("Ironic: nodes created, listed and shown")
	create := both.row(fmt.Sprintf("%d nodes created, one connection", n/5), "s", "aim: 0.2 s or less for 200", 3,
		func(s *ironicAt) float64 { return s.create(n / 5) })
	for _, s := range both {
		if s != nil {
			s.within("more nodes", turnLimit, func() { s.create(n - s.nodes) }) // the lists see whether they are there
		}
	}
	list := func(query string) func(*ironicAt) float64 {
		return func(s *ironicAt) (ms float64) {
			var data []byte
			ms = took(func() { data = s.do("GET", "/v1/nodes?limit=1000"+query, "1.82", "") }) * 1000
			if found := bytes.Count(data, []byte(`"provision_state":`)); found != n {
				s.t.Fatalf("%s lists %d nodes, not %d", s.name, found, n)
			}
			return ms
		}
	}
	detail := both.row(fmt.Sprintf("%d nodes listed in detail", n), "ms", "aim: 20 ms or less for 1000", 5, list("&detail=true"))
	brief := both.row(fmt.Sprintf("%d nodes listed in brief", n), "ms", "", 5, list(""))
	get := both.row("GET node, 8 clients", "/s", "aim: 20,000/s or more; the clients use the same processors", 3,
		func(s *ironicAt) float64 { return s.getRate(8) })
	get.Less = false
	cost := Row{What: "the same, processor time of the server", Less: true, Note: "of the last round"}
	for i, figure := range []*Figure{&cost.Ours, &cost.Peer} {
		if s := both[i]; s != nil && s.getCost > 0 {
			*figure = Figure{s.getCost, "µs"}
		}
	}
	return append([]Row{create, detail, brief, get, cost}, ceilingRows(both[0])...)
}

// getRate is how often one node is shown a second to so many clients. They read answers as they
// come, without a library, whose costs would be half of ours. It leaves the processor time of a request in getCost.
func (s *ironicAt) getRate(clients int) float64 {
	s.t.Helper()
	const span = 2 * time.Second
	var wg sync.WaitGroup
	counts, errs := make([]int, clients), make([]error, clients)
	used, began := s.cpu(), time.Now()
	for i := range clients {
		wg.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				errs[i] = err
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(began.Add(2 * span)) // who hangs has no figure
			r := bufio.NewReaderSize(conn, 16<<10)
			request := []byte("GET /v1/nodes/" + nodeUUID(s.nodes/2) + " HTTP/1.1\r\nHost: bench\r\nX-OpenStack-Ironic-API-Version: 1.82\r\n\r\n")
			for time.Since(began) < span && errs[i] == nil {
				if _, errs[i] = conn.Write(request); errs[i] == nil {
					errs[i] = readAnswer(r)
				}
				counts[i]++
			}
		})
	}
	wg.Wait()
	total := 0
	for i, n := range counts {
		must(s.t, errs[i])
		total += n
	}
	s.getCost = (s.cpu() - used) * 1e6 / float64(total)
	return float64(total) / time.Since(began).Seconds()
}

// readAnswer reads a 200 with a Content-Length.
func readAnswer(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.Contains(line, []byte(" 200 ")) {
			return fmt.Errorf("answer %q", line)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("the answer has no Content-Length")
	}
	_, err := io.CopyN(io.Discard, r, int64(length))
	return err
}

// growthRows are the costs of one node of ours among more and more of them.
func growthRows(t *testing.T, sizes []int) []Row {
	s := startOurs(t, t.TempDir())
	if s == nil {
		return nil
	}
	var names []string
	var create, get, page, named, detail, memory []float64
	for _, size := range sizes {
		say("Ironic: ours with %d nodes", size)
		if !s.within(fmt.Sprintf("%d nodes", size), turnLimit, func() {
			last := min(50, size-s.nodes)
			s.create(size - last - s.nodes)
			each := s.create(last) * 1000 / float64(last)
			m := s.costs(size)
			names = append(names, strconv.Itoa(size))
			create, get, page, named, detail = append(create, each), append(get, m[0]), append(page, m[1]), append(named, m[2]), append(detail, m[3])
			memory = append(memory, s.pss())
		}) {
			break
		}
	}
	among := ", among " + strings.Join(names, " / ")
	row := func(what, unit, note string, v []float64) Row {
		return Row{What: what + among, Series: series(v, unit), Note: flat(v) + note}
	}
	return []Row{
		row("a node created", "ms", "", create), row("a node shown", "ms", "", get), row("a page of 50 from the middle", "ms", "", page),
		row("the same, of a state and by name", "ms", "", named), row("a node in the detailed list", "µs", "; pages of 1000", detail),
		row("memory (PSS)", "MiB", "; after the lists", memory),
	}
}

// costs are the milliseconds of a node shown, of a page from the middle and of one of a state by name, and the
// microseconds of a node in the whole list in detail.
func (s *ironicAt) costs(size int) []float64 {
	middle := nodeUUID(size / 2)
	each := func(n int, path string) func() float64 {
		return func() float64 {
			return took(func() {
				for range n {
					s.do("GET", path, "1.82", "")
				}
			}) * 1000 / float64(n)
		}
	}
	all := func() float64 {
		return took(func() {
			for path := "/v1/nodes?limit=1000&detail=true"; path != ""; {
				path = next(s.do("GET", path, "1.82", ""))
			}
		}) * 1e6 / float64(size)
	}
	return rounds(5, each(50, "/v1/nodes/"+middle), each(10, "/v1/nodes?limit=50&marker="+middle),
		each(10, "/v1/nodes?limit=50&sort_key=name&provision_state=enroll&marker="+middle), all)
}
