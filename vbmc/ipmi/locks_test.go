package ipmi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"trefoil/vbmc/ipmi/sol"
	"trefoil/vbmc/ipmi/wire"
)

// TestEveryLockIsDeferred: commands run under a recover, so a lock that a fault leaves
// held makes a BMC dumb for ever. Only unlocked gives the lock away in between.
func TestEveryLockIsDeferred(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			block, ok := n.(*ast.BlockStmt)
			if !ok {
				return true
			}
			for i, s := range block.List {
				mutex, ok := strings.CutSuffix(call1(s), ".Lock()")
				if !ok || strings.HasPrefix(mutex, "defer ") {
					continue
				}
				checked++
				if i+1 == len(block.List) || call1(block.List[i+1]) != "defer "+mutex+".Unlock()" {
					t.Errorf("%s: %s is locked without a defer that unlocks it", set.Position(s.Pos()), mutex)
				}
			}
			return true
		})
	}
	if checked < 50 {
		t.Errorf("only %d locks were found: this test does not look where they are", checked)
	}
}

// call1 is a call or a deferred call as text, "" for other statements.
func call1(s ast.Stmt) string {
	switch s := s.(type) {
	case *ast.ExprStmt:
		return types.ExprString(s.X)
	case *ast.DeferStmt:
		return "defer " + types.ExprString(s.Call)
	}
	return ""
}

// answers tells whether the BMC still answers an administrator.
func answers(t *testing.T, b *BMC) {
	t.Helper()
	if !b.mu.TryLock() {
		t.Fatal("the BMC's lock is held")
	}
	b.mu.Unlock()
	if cc, _ := local(t, b).call(wire.App, 0x04); cc != ccOK {
		t.Errorf("self test after a fault: %#x", cc)
	}
}

// TestAFaultUnderTheLockFreesIt: what is called with the lock held may fail as anything
// else may.
func TestAFaultUnderTheLockFreesIt(t *testing.T) {
	broken := func() { panic("broken on purpose") }
	for name, fault := range map[string]func(*BMC){
		"a user is changed": func(b *BMC) {
			b.changeUser(request{}, 3, func(*user) byte { broken(); return ccOK })
		},
		"state is stored":       func(b *BMC) { b.keep("x", func() any { broken(); return nil }) },
		"a setting is changed":  func(b *BMC) { b.changeSettings(analogSensors()[0], func(*sensorSettings) { broken() }) },
		"a command gives it up": func(b *BMC) { b.locked(func() { b.unlocked(broken) }) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			func() {
				defer func() {
					if recover() == nil {
						t.Error("there was no fault")
					}
				}()
				fault(r.BMC)
			}()
			answers(t, r.BMC)
		})
	}
}

// TestAFaultWhileSOLMovesEndsIt: the next one can have it.
func TestAFaultWhileSOLMovesEndsIt(t *testing.T) {
	m, b := solBMC(t, Config{})
	first := solLogin(t, b, 40000, privAdmin)
	ask := []byte{1, 1, 0xc0, 0, 0, 0}
	if cc, _ := first.call(wire.App, 0x48, ask...); cc != ccOK {
		t.Fatalf("activate: %#x", cc)
	}
	b.locked(func() { b.sessions.byID[first.ex.ManagedID].send = func([]byte) { panic("broken on purpose") } })
	for !m.Print("output") {
		runtime.Gosched() // until the console is open
	}
	run := b.parts.sol.run
	for len(run.reader.Ready()) == 0 {
		runtime.Gosched()
	}
	b.locked(func() { run.port.Tell(sol.StatusOverrun) }) // due at once
	b.pumpSOL(run)
	answers(t, b)
	if cc, _ := solLogin(t, b, 40001, privAdmin).call(wire.App, 0x48, ask...); cc != ccOK {
		t.Errorf("the next one is refused: %#x", cc)
	}
}
