package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// shape is how the documents of a type are read: JSON that json.Marshal wrote of a
// struct without tags. Lists decode a thousand documents at a time, and encoding/json
// takes several times as long as SQLite needs to find them. Whatever is not as
// json.Marshal writes it, is left to encoding/json.
type shape struct {
	fields map[string]int
	names  []string // by field; "" is not exported
}

func shapeOf[T any]() shape {
	s := shape{fields: map[string]int{}}
	t := reflect.TypeFor[T]()
	s.names = make([]string, t.NumField())
	for i := range s.names {
		if f := t.Field(i); f.IsExported() {
			s.fields[f.Name], s.names[i] = i, f.Name
		}
	}
	return s
}

// encode is json.Marshal without fields that are zero, which most of a node's are. decode leaves them so.
func encode[T any](s shape, from *T) (string, error) {
	v, doc := reflect.ValueOf(from).Elem(), []byte{'{'}
	for i, name := range s.names {
		if name == "" || v.Field(i).IsZero() {
			continue
		}
		value, err := json.Marshal(v.Field(i).Interface())
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if len(doc) > 1 {
			doc = append(doc, ',')
		}
		doc = append(append(append(doc, '"'), name...), '"', ':')
		doc = append(doc, value...)
	}
	return string(append(doc, '}')), nil
}

// errOdd says that a document is not as json.Marshal writes them.
var errOdd = errors.New("not a document of json.Marshal")

// decode fills *into, a zero struct of the shape's type. Its texts are parts of doc.
func decode[T any](s shape, doc string, into *T) error {
	if s.quick(doc, reflect.ValueOf(into).Elem()) == nil {
		return nil
	}
	*into = *new(T)
	return json.Unmarshal([]byte(doc), into)
}

func (s shape) quick(doc string, v reflect.Value) error {
	p := cursor{text: doc}
	err := p.members(func(key string) error {
		i, ok := s.fields[key]
		if !ok {
			_, err := p.value() // of a later version
			return err
		}
		return p.field(v.Field(i).Addr().Interface())
	})
	if err == nil && p.at != len(doc) {
		err = errOdd
	}
	return err
}

// cursor goes over a JSON text.
type cursor struct {
	text string
	at   int
}

// next is the byte at the cursor, 0 at the end.
func (p *cursor) next() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// take goes over a byte that must be there.
func (p *cursor) take(c byte) error {
	if p.next() != c {
		return errOdd
	}
	p.at++
	return nil
}

// word goes over a word if it is there.
func (p *cursor) word(w string) bool {
	if !strings.HasPrefix(p.text[p.at:], w) {
		return false
	}
	p.at += len(w)
	return true
}

// members goes over an object; each reads the value of a key.
func (p *cursor) members(each func(key string) error) error {
	if err := p.take('{'); err != nil || p.word("}") {
		return err
	}
	for {
		key, err := p.string()
		if err != nil {
			return err
		}
		if err := p.take(':'); err != nil {
			return err
		}
		if err := each(key); err != nil {
			return err
		}
		if !p.word(",") {
			return p.take('}')
		}
	}
}

// items goes over an array.
func (p *cursor) items(each func() error) error {
	if err := p.take('['); err != nil || p.word("]") {
		return err
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if !p.word(",") {
			return p.take(']')
		}
	}
}

func (p *cursor) string() (string, error) {
	if err := p.take('"'); err != nil {
		return "", err
	}
	end := strings.IndexByte(p.text[p.at:], '"')
	if end < 0 {
		return "", errOdd
	}
	s := p.text[p.at : p.at+end]
	if strings.IndexByte(s, '\\') < 0 {
		p.at += end + 1
		return s, nil
	}
	return p.escaped()
}

// escaped reads the rest of a text that has escapes.
func (p *cursor) escaped() (out string, err error) {
	start := p.at - 1
	for ; p.next() != '"'; p.at++ {
		if p.next() == '\\' {
			p.at++
		}
		if p.at >= len(p.text) {
			return "", errOdd
		}
	}
	p.at++
	return out, json.Unmarshal([]byte(p.text[start:p.at]), &out)
}

func (p *cursor) number() string {
	start := p.at
	for strings.IndexByte("+-.0123456789Ee", p.next()) >= 0 {
		p.at++
	}
	return p.text[start:p.at]
}

// value reads what encoding/json makes of a value that may be anything.
func (p *cursor) value() (any, error) {
	switch p.next() {
	case '"':
		return p.string()
	case '{':
		return p.object()
	case '[':
		list := []any{}
		err := p.items(func() error {
			v, err := p.value()
			list = append(list, v)
			return err
		})
		return list, err
	}
	switch {
	case p.word("null"):
		return nil, nil
	case p.word("true"):
		return true, nil
	case p.word("false"):
		return false, nil
	}
	return strconv.ParseFloat(p.number(), 64)
}

func (p *cursor) object() (map[string]any, error) {
	m := map[string]any{}
	err := p.members(func(key string) error {
		v, err := p.value()
		m[key] = v
		return err
	})
	return m, err
}

// field reads the value of a struct's field; at is a pointer to it.
func (p *cursor) field(at any) (err error) {
	if p.word("null") {
		return nil
	}
	switch f := at.(type) {
	case *string:
		*f, err = p.string()
	case *bool:
		*f, err = p.flag()
	case **bool:
		*f = new(bool)
		**f, err = p.flag()
	case *int64:
		*f, err = strconv.ParseInt(p.number(), 10, 64)
	case *time.Time:
		*f, err = p.time()
	case **time.Time:
		*f = new(time.Time)
		**f, err = p.time()
	case *map[string]any:
		*f, err = p.object()
	case *[]string:
		*f = []string{}
		err = p.items(func() error {
			s, err := p.string()
			*f = append(*f, s)
			return err
		})
	case *map[string]string:
		*f = make(map[string]string, 16) // a node's interfaces: more than a map begins with
		err = p.members(func(key string) error {
			s, err := p.string()
			(*f)[key] = s
			return err
		})
	default: // types that no document has yet
		err = errOdd
	}
	return err
}

func (p *cursor) flag() (bool, error) {
	if p.word("true") {
		return true, nil
	}
	if p.word("false") {
		return false, nil
	}
	return false, errOdd
}

func (p *cursor) time() (time.Time, error) {
	s, err := p.string()
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, s)
}
