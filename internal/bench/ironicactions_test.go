//go:build bench

package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// actionRows are what the conductor does.
func (both services) actionRows(t *testing.T, n int) []Row {
	say("Ironic: %d nodes managed and provided", n/10)
	_, ports := startBMCs(t, len(both))
	port := map[*ironicAt]int{both[0]: ports[0], both[1]: ports[1]}
	provide := both.row(fmt.Sprintf("%d nodes: manage, provide (fake machines)", n/10), "s", "8 clients; aim: 1 s or less for 100; without automated cleaning", 1,
		func(s *ironicAt) float64 { return s.provide(n / 10) })
	say("Ironic: boot device and power over IPMI; the peer waits five seconds between commands")
	power := both.row("IPMI: boot device set and machine on", "s", "until power_state says so; aim: 0.2 s or less; machine: our BMC, in memory", 2,
		func(s *ironicAt) float64 { return s.switchOn(port[s]) })
	return []Row{provide, power}
}

// provide takes n fresh nodes from enroll to available, asked for by eight clients.
func (s *ironicAt) provide(n int) float64 {
	s.t.Helper()
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
			must(s.t, errors.Join(errs...))
			s.await(10*time.Millisecond, func() bool { return len(s.all("fields=uuid&limit=1000&provision_state="+step[1])) >= n },
				fmt.Sprintf("%d nodes that are %s", n, step[1]))
		}
	})
}

func ipmiInfo(port int) string {
	return fmt.Sprintf(`{"ipmi_address":"127.0.0.1","ipmi_port":%d,"ipmi_username":%q,"ipmi_password":%q,"ipmi_cipher_suite":17}`, port, bmcUser, bmcPassword)
}

// switchOn sets the boot device of a machine that is off, switches it on and waits until the
// node says so; then it is off again, which is not measured.
func (s *ironicAt) switchOn(port int) float64 {
	s.t.Helper()
	uuid := fmt.Sprintf("00000000-0000-4000-9000-%012d", port)
	if status, _, _ := s.try("GET", "/v1/nodes/"+uuid, "1.82", ""); status != 200 {
		s.enrol(uuid, "1.10", "ipmi", ipmiInfo(port))
	}
	power := func(target string) {
		s.do("PUT", "/v1/nodes/"+uuid+"/states/power", "1.82", fmt.Sprintf(`{"target":%q}`, target))
		s.await(5*time.Millisecond, func() bool {
			var n map[string]any
			must(s.t, json.Unmarshal(s.do("GET", "/v1/nodes/"+uuid+"/states", "1.82", ""), &n))
			if why := n["last_error"]; why != nil {
				s.t.Fatalf("%s: %s: %v", s.name, target, why)
			}
			return n["power_state"] == target && n["target_power_state"] == nil
		}, "a machine in "+target)
	}
	seconds := took(func() {
		s.do("PUT", "/v1/nodes/"+uuid+"/management/boot_device", "1.82", `{"boot_device":"pxe","persistent":false}`)
		power("power on")
	})
	power("power off")
	return seconds
}

// syncRow has the power sync learn the state of so many machines: from the first that it wrote down to the
// last. The peer begins when all nodes are there; ours has its first sync a minute after the start. Of the peer,
// which starts a process for each BMC, as many count as it gets done in some minutes.
func syncRow(t *testing.T, many int) Row {
	const limit, patience = 10 * time.Minute, 5 * time.Minute
	dir := t.TempDir()
	_, ports := startBMCs(t, many)
	row := Row{What: fmt.Sprintf("power sync of %d BMCs", many), Less: true, Note: "the first one, which opens the sessions; aim: 2 s or less for 1000"}
	enrol := func(s *ironicAt) {
		for i := range many {
			s.enrol(nodeUUID(i), "1.10", "ipmi", ipmiInfo(ports[i]))
		}
	}
	say("Ironic: the power sync of %d BMCs; its minute is waited for", many)
	t.Run("ours", func(t *testing.T) {
		if s := startOurs(t, filepath.Join(dir, "ours")); s != nil {
			s.within("sync", limit, func() {
				enrol(s)
				span, done := s.synced(many, patience)
				if done < many {
					s.t.Fatalf("%d of %d nodes have a power state after %v", done, many, patience)
				}
				row.Ours = Figure{span, "s"}
				row.Note += fmt.Sprintf("; memory then: %s MiB", number(s.pss()))
			})
		}
	})
	say("Ironic: the peer's power sync")
	t.Run("peer", func(t *testing.T) {
		if s, syncing := startPeerIronic(t, filepath.Join(dir, "peer")); s != nil {
			s.within("sync", limit, func() {
				enrol(s)
				syncing(15)
				span, done := s.synced(many, patience)
				if done < 2 {
					s.t.Fatalf("%d of %d nodes have a power state after %v", done, many, patience)
				}
				row.Peer = Figure{span * float64(many-1) / float64(done-1), "s"}
				if done < many {
					row.Note += fmt.Sprintf("; peer: %d in %s s, the rest in proportion", done, number(span))
				}
			})
		}
	})
	return row
}

// synced waits until n nodes have a power state, but no longer than patience. It returns the seconds between the
// first and the last of those that have one, and how many they are.
func (s *ironicAt) synced(n int, patience time.Duration) (span float64, done int) {
	s.t.Helper()
	until := time.Now().Add(patience)
	s.await(3*time.Second, func() bool {
		done = 0
		for _, node := range s.all("fields=uuid,power_state&limit=1000") {
			if node["power_state"] != nil {
				done++
			}
		}
		return done == n || time.Now().After(until)
	}, fmt.Sprintf("the power states of %d nodes", n))
	done = 0
	first, last := "~", ""
	for _, node := range s.all("detail=true&limit=1000") {
		if node["power_state"] == nil {
			continue
		}
		at, ok := node["updated_at"].(string)
		if !ok {
			s.t.Fatalf("%s: node %v has a power state, but no time of it", s.name, node["uuid"])
		}
		done, first, last = done+1, min(first, at), max(last, at)
	}
	if done == 0 {
		return 0, 0
	}
	return seconds(s.t, first, last), done
}

// seconds between two times of the API, which writes no fraction where it is zero.
func seconds(t *testing.T, first, last string) float64 {
	t.Helper()
	a, err := time.Parse(time.RFC3339, first)
	must(t, err)
	b, err := time.Parse(time.RFC3339, last)
	must(t, err)
	return b.Sub(a).Seconds()
}
