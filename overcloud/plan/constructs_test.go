package plan_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestCorpusHasEveryConstruct: each construct of testdata/constructs.txt occurs in
// the corpus, so that what is tested with the corpus is tested of every construct.
func TestCorpusHasEveryConstruct(t *testing.T) {
	data, err := os.ReadFile("testdata/constructs.txt")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(data), "\n== ")[1:]
	if len(sections) < 15 {
		t.Fatalf("%d sections", len(sections))
	}
	for _, s := range sections {
		head, body, _ := strings.Cut(s, "\n")
		parts := strings.SplitN(head, " | ", 3)
		if len(parts) != 3 {
			t.Fatalf("head %q is not: title | files | pattern", head)
		}
		text := corpusText(t, parts[1])
		for _, construct := range constructs(body) {
			pattern := strings.ReplaceAll(strings.Replace(parts[2], "%s", "(?:"+construct+")", 1), "%%", "%")
			if re, err := regexp.Compile(pattern); err != nil {
				t.Errorf("%s: %v", parts[0], err)
			} else if !re.MatchString(text) {
				t.Errorf("%s: the corpus has no %s in %s (%s)", parts[0], construct, parts[1], pattern)
			}
		}
	}
}

// constructs are the words of a section; a space within one has a backslash.
func constructs(body string) []string {
	const kept = "\x00"
	words := strings.Fields(strings.ReplaceAll(body, `\ `, kept))
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], kept, " ")
	}
	return words
}

// corpusText is the text of the corpus' files that a pattern names, or, for
// NAMES, their names.
func corpusText(t *testing.T, files string) string {
	t.Helper()
	var b strings.Builder
	tree := realTree(t, corpusTree)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "README.md" {
			return err
		}
		if files == "NAMES" {
			b.WriteString(name + "\n")
			return nil
		}
		whole, _ := path.Match(files, name)
		base, _ := path.Match(files, path.Base(name))
		if !whole && !base {
			return nil
		}
		data, err := fs.ReadFile(tree, name)
		b.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if b.Len() == 0 {
		t.Fatalf("no file of the corpus is %s", files)
	}
	return b.String()
}
