package bmap

import (
	"reflect"
	"strings"
	"testing"
)

func TestEncodeThenParse(t *testing.T) {
	m := &Map{ImageSize: 10*BlockSize + 100, ChecksumType: "sha256", Ranges: []Range{
		{Offset: 0, Length: 2 * BlockSize, Sum: strings.Repeat("a", 64), MD5: strings.Repeat("b", 32)},
		{Offset: 9 * BlockSize, Length: BlockSize + 100, Sum: strings.Repeat("c", 64)},
	}}
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(data)
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, %v from\n%s", got, err, data)
	}
	if strings.Contains(string(data), strings.Repeat("0", 64)) {
		t.Error("the file's own checksum was not filled in")
	}
}

// TestParseBmaptool reads what bmaptool writes: spaces, single blocks, comments.
func TestParseBmaptool(t *testing.T) {
	m, err := Parse([]byte(`<?xml version="1.0" ?>
<!-- a comment -->
<bmap version="2.0">
    <ImageSize> 40961 </ImageSize>
    <BlockSize> 4096 </BlockSize>
    <BlocksCount> 11 </BlocksCount>
    <MappedBlocksCount> 3    </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> 00 </BmapFileChecksum>
    <BlockMap>
        <Range chksum="AB"> 0-1 </Range>
        <Range chksum="cd"> 10 </Range>
    </BlockMap>
</bmap>`))
	want := &Map{ImageSize: 40961, ChecksumType: "sha256", Ranges: []Range{{0, 8192, "ab", ""}, {40960, 1, "cd", ""}}}
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v %v", m, err)
	}
}

func TestParseRefusesRangesThatLie(t *testing.T) {
	for name, span := range map[string]string{"beyond the image": "0-99", "backwards": "3-1", "negative": "-1-2", "no number": "x", "huge": "99999999999999999999-1"} {
		doc := `<bmap version="2.0"><ImageSize>8192</ImageSize><BlockSize>4096</BlockSize><BlockMap><Range>` + span + `</Range></BlockMap></bmap>`
		if m, err := Parse([]byte(doc)); err == nil {
			t.Errorf("%s: accepted as %+v", name, m)
		}
	}
	overlap := `<bmap version="2.0"><ImageSize>8192</ImageSize><BlockSize>4096</BlockSize><BlockMap><Range>0-1</Range><Range>1</Range></BlockMap></bmap>`
	if _, err := Parse([]byte(overlap)); err == nil {
		t.Error("overlapping ranges accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<bmap version="2.0"><ImageSize>8192</ImageSize><BlockSize>4096</BlockSize><BlockMap><Range chksum="a">0-1</Range></BlockMap></bmap>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		var end int64
		for _, r := range m.Ranges {
			if r.Offset < end || r.Length <= 0 || r.Offset+r.Length > m.ImageSize {
				t.Fatalf("range %+v of an image of %d after %d", r, m.ImageSize, end)
			}
			end = r.Offset + r.Length
		}
	})
}
