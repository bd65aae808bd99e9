package galera

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// Status asks the server behind a socket for the variables of its cluster, as the user
// that this program runs as: the server knows him by the socket. It is the little of
// MySQL's protocol that this takes; a client program for every look would cost more
// than the server does.
func Status(ctx context.Context, socket string) (map[string]string, error) {
	var vars map[string]string
	err := talk(ctx, socket, func(c *client) (err error) {
		vars, err = c.query(`SHOW GLOBAL STATUS LIKE 'wsrep\_%'`)
		return err
	})
	return vars, err
}

// Bootstrap has the server, and those that it is together with, be the majority from now on.
func Bootstrap(ctx context.Context, socket string) error {
	return talk(ctx, socket, func(c *client) error { return c.do("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'") })
}

// Reconnect has a server that has left its cluster, and runs on by itself, join it again.
func Reconnect(ctx context.Context, socket string) error {
	return talk(ctx, socket, func(c *client) error {
		return c.do("SET GLOBAL wsrep_cluster_address = @@GLOBAL.wsrep_cluster_address")
	})
}

// talk is one conversation with a server.
func talk(ctx context.Context, socket string, about func(*client) error) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := &client{r: bufio.NewReader(conn), w: conn}
	if err := c.login(user); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	if err := about(c); err != nil {
		return err
	}
	return c.send(0, []byte{comQuit})
}

// user is MariaDB's own account for the system user of that name.
const user = "mysql"

// Commands, first bytes of answers, and capabilities of the protocol.
const (
	comQuit  = 0x01
	comQuery = 0x03

	isOK     = 0x00
	isSwitch = 0xfe // in a login: another way to prove oneself
	isEnd    = 0xfe // in rows: their end
	isError  = 0xff

	protocol41       = 1 << 9
	secureConnection = 1 << 15
	pluginAuth       = 1 << 19

	maxPacket = 1 << 20
	charset   = 33 // utf8_general_ci
)

// client is one conversation.
type client struct {
	r   *bufio.Reader
	w   io.Writer
	seq byte // of the last packet that came
}

// packet reads one packet; an error of the server is an error.
func (c *client) packet() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if n > maxPacket || n == 0 {
		return nil, fmt.Errorf("a packet of %d bytes", n)
	}
	c.seq = head[3]
	p := make([]byte, n)
	if _, err := io.ReadFull(c.r, p); err != nil {
		return nil, err
	}
	if p[0] == isError {
		return nil, serverError(p)
	}
	return p, nil
}

// serverError takes the text out of an error: a number, a mark and a state come before it.
func serverError(p []byte) error {
	text := string(p[min(3, len(p)):])
	if strings.HasPrefix(text, "#") && len(text) >= 6 {
		text = text[6:]
	}
	return errors.New(text)
}

func (c *client) send(seq byte, p []byte) error {
	n := len(p)
	_, err := c.w.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, p...))
	return err
}

// login proves who we are by the socket alone, whatever way the server asks for first.
func (c *client) login(user string) error {
	if _, err := c.packet(); err != nil { // the greeting
		return err
	}
	p := binary.LittleEndian.AppendUint32(nil, protocol41|secureConnection|pluginAuth)
	p = binary.LittleEndian.AppendUint32(p, maxPacket)
	p = append(p, charset)
	p = append(p, make([]byte, 23)...)
	p = append(p, user...)
	p = append(p, 0, 0) // end of the name, no proof
	p = append(p, "unix_socket\x00"...)
	if err := c.send(c.seq+1, p); err != nil {
		return err
	}
	for range 4 {
		p, err := c.packet()
		switch {
		case err != nil:
			return err
		case p[0] == isOK:
			return nil
		case p[0] != isSwitch:
			return fmt.Errorf("an answer of kind %d", p[0])
		}
		if err := c.send(c.seq+1, nil); err != nil {
			return err
		}
	}
	return errors.New("the server asks for one proof after another")
}

// do runs a statement that gives nothing.
func (c *client) do(sql string) error {
	p, err := c.ask(sql)
	if err == nil && p[0] != isOK {
		err = fmt.Errorf("an answer of kind %d to %s", p[0], sql)
	}
	return err
}

// ask sends a statement; the first packet comes back.
func (c *client) ask(sql string) ([]byte, error) {
	if err := c.send(0, append([]byte{comQuery}, sql...)); err != nil {
		return nil, err
	}
	return c.packet()
}

// query runs a statement that gives two columns and returns them as a map.
func (c *client) query(sql string) (map[string]string, error) {
	p, err := c.ask(sql)
	if err != nil {
		return nil, err
	}
	if p[0] != 2 {
		return nil, fmt.Errorf("%d columns instead of 2", p[0])
	}
	for range int(p[0]) + 1 { // the columns, and their end
		if _, err := c.packet(); err != nil {
			return nil, err
		}
	}
	out := map[string]string{}
	for {
		p, err := c.packet()
		if err != nil {
			return nil, err
		}
		if p[0] == isEnd && len(p) < 9 {
			return out, nil
		}
		name, rest := text(p)
		value, _ := text(rest)
		out[name] = value
	}
}

// text takes a text with its length before it off a row; NULL is empty.
func text(p []byte) (string, []byte) {
	if len(p) == 0 {
		return "", nil
	}
	n, head := int(p[0]), 1
	switch {
	case p[0] == 0xfb:
		return "", p[1:]
	case p[0] == 0xfc && len(p) > 2:
		n, head = int(p[1])|int(p[2])<<8, 3
	case p[0] > 0xfb: // longer than any variable
		return "", nil
	}
	end := min(head+n, len(p))
	return string(p[head:end]), p[end:]
}
