//go:build bench

package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// benchIronic sets the whole service, as a process, beside Debian's Ironic: the same requests
// in turns over loopback. Each note says the aim.
func benchIronic(t *testing.T) []Row {
	var rows []Row
	t.Run("beside", func(t *testing.T) {
		dir := t.TempDir()
		say("Ironic: starting ours and Debian's")
		ours, peer := startOurs(t, filepath.Join(dir, "ours")), startPeerIronic(t, filepath.Join(dir, "peer"), 0)
		time.Sleep(5 * time.Second)
		rows = append(rows, besideRow("whole service, idle memory (PSS)", "MiB", []float64{ours.pss(), peer.pss()}, "aim: 60 MiB or less; peer: API with 2 workers, conductor"))
		rows = append(rows, requestRows(ours, peer)...)
		rows = append(rows, actionRows(t, ours, peer)...)
		rows = append(rows, besideRow("the same, after all that (PSS)", "MiB", []float64{ours.pss(), peer.pss()}, "1100 nodes and more"))
	})
	t.Run("sync", func(t *testing.T) { rows = append(rows, syncRow(t)) })
	t.Run("growth", func(t *testing.T) { rows = append(rows, growthRows(t)...) })
	if t.Failed() {
		t.FailNow()
	}
	return rows
}

// besideRow is a figure of which less is better.
func besideRow(what, unit string, of []float64, note string) Row {
	return Row{What: what, Ours: Figure{of[0], unit}, Peer: Figure{of[1], unit}, Less: true, Note: note}
}

// requestRows are what the API answers by itself.
func requestRows(ours, peer *ironicAt) []Row {
	say("Ironic: nodes created, listed and shown")
	create := rounds(3, func() float64 { return ours.create(200) }, func() float64 { return peer.create(200) })
	for _, s := range []*ironicAt{ours, peer} {
		s.create(1000 - s.nodes)
	}
	list := func(s *ironicAt, query string) func() float64 {
		return func() float64 { return took(func() { s.do("GET", "/v1/nodes?limit=1000"+query, "1.82", "") }) * 1000 }
	}
	detail := rounds(5, list(ours, "&detail=true"), list(peer, "&detail=true"))
	brief := rounds(5, list(ours, ""), list(peer, ""))
	get := rounds(3, func() float64 { return ours.getRate(8) }, func() float64 { return peer.getRate(8) })
	return []Row{
		besideRow("200 nodes created, one connection", "s", create, "aim: 0.2 s or less"),
		besideRow("1000 nodes listed in detail", "ms", detail, "aim: 20 ms or less"),
		besideRow("1000 nodes listed in brief", "ms", brief, ""),
		{What: "GET node, 8 clients", Ours: Figure{get[0], "/s"}, Peer: Figure{get[1], "/s"},
			Note: "aim: 20,000/s or more; the clients use the same processors"},
	}
}

// getRate is how often one node is shown a second to so many clients. They read answers as they
// come, without a library, whose costs would be half of ours.
func (s *ironicAt) getRate(clients int) float64 {
	s.t.Helper()
	const span = 2 * time.Second
	var wg sync.WaitGroup
	counts, errs := make([]int, clients), make([]error, clients)
	began := time.Now()
	for i := range clients {
		wg.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				errs[i] = err
				return
			}
			defer conn.Close()
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

// actionRows are what the conductor does.
func actionRows(t *testing.T, ours, peer *ironicAt) []Row {
	say("Ironic: 100 nodes managed and provided")
	_, ports := startBMCs(t, 2)
	provide := []float64{ours.provide(t, 100), peer.provide(t, 100)}
	say("Ironic: boot device and power over IPMI; the peer waits five seconds between commands")
	power := rounds(3, func() float64 { return ours.switchOn(t, ports[0]) })
	power = append(power, peer.switchOn(t, ports[1]))
	return []Row{
		besideRow("100 nodes: manage, provide (fake machines)", "s", provide, "8 clients; aim: 1 s or less; without automated cleaning"),
		besideRow("IPMI: boot device set and machine on", "s", power, "until power_state says so; aim: 0.2 s or less; machine: our BMC, in memory"),
	}
}

// provide takes n fresh nodes from enroll to available, asked for by eight clients.
func (s *ironicAt) provide(t *testing.T, n int) float64 {
	t.Helper()
	first := s.nodes
	s.create(n)
	return took(func() {
		for _, step := range [][2]string{{"manage", "manageable"}, {"provide", "available"}} {
			var wg sync.WaitGroup
			errs := make([]error, 8)
			for c := range errs {
				wg.Go(func() {
					for i := first + c; i < first+n && errs[c] == nil; i += len(errs) {
						_, errs[c] = s.ask("PUT", "/v1/nodes/"+nodeUUID(i)+"/states/provision", "1.82", fmt.Sprintf(`{"target":%q}`, step[0]))
					}
				})
			}
			wg.Wait()
			must(t, errors.Join(errs...))
			for until := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
				count := len(s.states("&provision_state="+step[1]+"&limit=200", "provision_state"))
				if count >= n {
					break
				}
				if time.Now().After(until) {
					t.Fatalf("%s: %d of %d nodes are %s", s.name, count, n, step[1])
				}
			}
		}
	})
}

func ipmiInfo(port int) string {
	return fmt.Sprintf(`{"ipmi_address":"127.0.0.1","ipmi_port":%d,"ipmi_username":%q,"ipmi_password":%q,"ipmi_cipher_suite":17}`, port, bmcUser, bmcPassword)
}

// switchOn sets the boot device of a machine that is off, switches it on and waits until the
// node says so; then it is off again, which is not measured.
func (s *ironicAt) switchOn(t *testing.T, port int) float64 {
	t.Helper()
	uuid := fmt.Sprintf("00000000-0000-4000-9000-%012d", port)
	if status, _, _ := s.try("GET", "/v1/nodes/"+uuid, "1.82", ""); status != 200 {
		s.enrol(uuid, "1.10", "ipmi", ipmiInfo(port))
	}
	power := func(target string) {
		s.do("PUT", "/v1/nodes/"+uuid+"/states/power", "1.82", fmt.Sprintf(`{"target":%q}`, target))
		for until := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
			var n map[string]any
			must(t, json.Unmarshal(s.do("GET", "/v1/nodes/"+uuid+"/states", "1.82", ""), &n))
			if n["power_state"] == target && n["target_power_state"] == nil {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("%s: the machine is not in %q: %v", s.name, target, n)
			}
		}
	}
	defer power("power off")
	return took(func() {
		s.do("PUT", "/v1/nodes/"+uuid+"/management/boot_device", "1.82", `{"boot_device":"pxe","persistent":false}`)
		power("power on")
	})
}

// syncRow has the power sync learn the state of many machines: from the first that it wrote down to the last.
func syncRow(t *testing.T) Row {
	const many, few = 1000, 100
	dir := t.TempDir()
	_, ports := startBMCs(t, many)
	measure := func(s *ironicAt, n int) float64 {
		for i := range n {
			s.enrol(nodeUUID(i), "1.10", "ipmi", ipmiInfo(ports[i]))
		}
		for until := time.Now().Add(4 * time.Minute); ; time.Sleep(time.Second) {
			left := 0
			for _, state := range s.states("", "power_state") {
				if state == nil {
					left++
				}
			}
			if left == 0 {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%s: %d of %d nodes have no power state", s.name, left, n)
			}
		}
		first, last := "~", ""
		for _, at := range s.states("", "updated_at") {
			first, last = min(first, at.(string)), max(last, at.(string))
		}
		return seconds(t, first, last)
	}
	var ours, peer, memory float64
	say("Ironic: the power sync of %d BMCs; its minute is waited for", many)
	t.Run("ours", func(t *testing.T) {
		s := startOurs(t, filepath.Join(dir, "ours"))
		ours, memory = measure(s, many), s.pss()
	})
	say("Ironic: the peer's power sync of %d BMCs", few)
	t.Run("peer", func(t *testing.T) { peer = measure(startPeerIronic(t, filepath.Join(dir, "peer"), 15), few) })
	return Row{What: "power sync of 1000 BMCs", Ours: Figure{ours, "s"}, Peer: Figure{peer * many / few, "s"}, Less: true,
		Note: fmt.Sprintf("the first one, which opens the sessions; aim: 2 s or less; memory then: %s MiB; peer: %s s for %d BMCs, ten times that", number(memory), number(peer), few)}
}

// seconds between two times of the API.
func seconds(t *testing.T, first, last string) float64 {
	t.Helper()
	const layout = "2006-01-02T15:04:05.999999-07:00"
	a, err := time.Parse(layout, first)
	must(t, err)
	b, err := time.Parse(layout, last)
	must(t, err)
	return b.Sub(a).Seconds()
}

// growthRows are the costs of one node among more and more of them.
func growthRows(t *testing.T) []Row {
	dir := t.TempDir()
	s := startOurs(t, dir)
	var create, get, page, named, detail, memory []float64
	for _, size := range []int{100, 1000, 10_000} {
		say("Ironic: ours with %d nodes", size)
		s.create(size - 50 - s.nodes)
		create = append(create, s.create(50)*1000/50)
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
		m := rounds(5, each(50, "/v1/nodes/"+middle), each(10, "/v1/nodes?limit=50&marker="+middle),
			each(10, "/v1/nodes?limit=50&sort_key=name&provision_state=enroll&marker="+middle), all)
		get, page, named, detail = append(get, m[0]), append(page, m[1]), append(named, m[2]), append(detail, m[3])
		memory = append(memory, s.pss())
	}
	const sizes = ", among 100 / 1000 / 10,000"
	return []Row{
		{What: "a node created" + sizes, Series: series(create, "ms"), Note: flat(create)},
		{What: "a node shown" + sizes, Series: series(get, "ms"), Note: flat(get)},
		{What: "a page of 50 from the middle" + sizes, Series: series(page, "ms"), Note: flat(page)},
		{What: "the same, of a state and by name" + sizes, Series: series(named, "ms"), Note: flat(named) + "; SQLite goes over the state's nodes"},
		{What: "a node in the detailed list" + sizes, Series: series(detail, "µs"), Note: flat(detail) + "; pages of 1000"},
		{What: "memory (PSS)" + sizes, Series: series(memory, "MiB"), Note: flat(memory) + "; after the lists"},
	}
}
