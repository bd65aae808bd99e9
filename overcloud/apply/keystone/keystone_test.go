package keystone_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"trefoil/overcloud/apply/keystone"
)

func TestHashes(t *testing.T) {
	long := strings.Repeat("x", 72)
	for _, password := range []string{"secret", "with 'quotes' and \\", long + "cut"} {
		hash, err := keystone.Hash(password, 4)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(hash, "$2b$04$") || !keystone.Matches(password, hash) || keystone.Matches("y"+password, hash) {
			t.Errorf("%s of %q", hash, password)
		}
	}
	// Of passlib, as Keystone wrote it for "secret1".
	const theirs = "$2b$04$RtJbACV9y.T.gkfCLqkYdumAzAP4KiZCoocZCarRPh9XfjPkbAquG"
	if !keystone.Matches("secret1", theirs) || keystone.Matches("secret2", theirs) || keystone.Matches("", "") || keystone.Matches("x", "$scrypt$ln=16") {
		t.Error("hashes of others are not told apart")
	}
}

func TestStatementsQuoteWhatTheyAreGiven(t *testing.T) {
	got := keystone.Statements(`r'; DROP TABLE user; --`, `http://x/\`, "", false)
	if !strings.Contains(got, `SET @region = 'r''; DROP TABLE user; --', @url = 'http://x/\\', @hash = NULL;`) || strings.Contains(got, "COMMIT") {
		t.Error(got[:200])
	}
	if got := keystone.Statements("r", "u", "$2b$04$x", true); !strings.Contains(got, "@hash = '$2b$04$x';") || strings.Contains(got, "ROLLBACK") {
		t.Error(got[:200])
	}
}

// server answers as memcached does, and counts who asked.
func server(t *testing.T, answer string) (string, chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		line, _ := bufio.NewReader(c).ReadString('\n')
		asked <- line
		fmt.Fprint(c, answer)
	}()
	return l.Addr().String(), asked
}

func TestFlushAsksAll(t *testing.T) {
	one, first := server(t, "OK\r\n")
	two, second := server(t, "OK\r\n")
	if err := keystone.Flush(t.Context(), one+","+two); err != nil {
		t.Error(err)
	}
	for _, asked := range []chan string{first, second} {
		if line := <-asked; line != "flush_all\r\n" {
			t.Errorf("asked %q", line)
		}
	}
	odd, _ := server(t, "ERROR\r\n")
	three, third := server(t, "OK\r\n")
	if err := keystone.Flush(t.Context(), odd+","+three); err == nil || !strings.Contains(err.Error(), "expected OK") {
		t.Errorf("got %v", err)
	}
	<-third
}
