package hot

import (
	"slices"
	"strconv"
	"strings"
)

var urlKeys = []string{"scheme?", "username?", "password?", "host?", "port?", "path?", "query?", "fragment?"}

// urlWithHost are the schemes whose URLs have the two slashes even without a host,
// as Python knows them.
var urlWithHost = strings.Fields(`ftp http gopher nntp telnet imap wais file mms https shttp snews prospero
	rtsp rtspu rsync svn svn+ssh sftp nfs git git+ssh ws wss`)

// What is not escaped in the parts of a URL beside letters, digits and _.-~
const (
	safeNothing = ""
	safeSlash   = "/"
	safeColon   = ":"
)

// makeURL puts a URL together from its parts, each escaped. The query is sorted
// by name.
func makeURL(c call, arg any) (any, error) {
	m, err := mapArg(c, arg, urlKeys...)
	if err != nil {
		return nil, err
	}
	text := map[string]string{}
	for _, k := range sortedKeys(m) {
		s, problem := urlPart(k, m[k])
		if problem != "" {
			return nil, c.fail("%s %s, got %s", k, problem, kind(m[k]))
		}
		text[k] = s
	}
	if strings.Contains(text["scheme"], ":") {
		return nil, c.fail("scheme %q has a colon", text["scheme"])
	}
	return urlOf(text), nil
}

// urlPart is a part as text; problem is "" or what it must be.
func urlPart(name string, v any) (s, problem string) {
	switch name {
	case "query":
		q, ok := v.(map[string]any)
		if !ok {
			return "", "must be a map"
		}
		parts := make([]string, 0, len(q))
		for _, k := range sortedKeys(q) {
			parts = append(parts, queryEscape(k)+"="+queryEscape(pythonItem(q[k])))
		}
		return strings.Join(parts, "&"), ""
	case "port":
		port, ok := v.(int)
		if t, isText := v.(string); isText {
			n, err := strconv.Atoi(strings.TrimSpace(t))
			port, ok = n, err == nil
		}
		if !ok || port < 1 || port > 65535 {
			return "", "must be a number from 1 to 65535"
		}
		return strings.TrimSpace(String(v)), ""
	}
	s, ok := v.(string)
	if !ok {
		return "", "must be text"
	}
	return s, ""
}

func urlOf(text map[string]string) string {
	path := escape(text["path"], safeSlash)
	scheme := text["scheme"]
	where := authority(text)
	if where != "" || slices.Contains(urlWithHost, scheme) && !strings.HasPrefix(path, "//") {
		if path != "" && path[0] != '/' {
			path = "/" + path
		}
		path = "//" + where + path
	}
	if scheme != "" {
		path = scheme + ":" + path
	}
	if text["query"] != "" {
		path += "?" + text["query"]
	}
	if text["fragment"] != "" {
		path += "#" + escape(text["fragment"], safeSlash)
	}
	return path
}

// authority is user, password, host and port.
func authority(text map[string]string) string {
	out := ""
	if user, password := text["username"], text["password"]; user != "" || password != "" {
		out = escape(user, safeNothing)
		if password != "" {
			out += ":" + escape(password, safeNothing)
		}
		out += "@"
	}
	host := text["host"]
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	host = escape(host, safeColon)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	out += host
	if text["port"] != "" {
		out += ":" + text["port"]
	}
	return out
}

// queryEscape escapes a name or value of a query; slashes stay.
func queryEscape(s string) string { return strings.ReplaceAll(escape(s, " /"), " ", "+") }

// escape writes bytes as %XX, but for letters, digits, _.-~ and those of safe.
func escape(s, safe string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			strings.IndexByte("_.-~", c) >= 0, strings.IndexByte(safe, c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
