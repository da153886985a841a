package npm

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/errs"
)

type entry = protocoltest.Entry

// packageJSON is the manifest that the archives of these tests have.
var packageJSON = protocoltest.PackageJSON("x", "1.0.0", "")

func TestInspect_TellsWhatIsInATarball(t *testing.T) {
	for name, c := range map[string]struct {
		entries []entry
		want    contents
	}{
		"plain":              {[]entry{packageJSON}, contents{files: 1}},
		"files":              {[]entry{packageJSON, {Name: "package/a/b.js", Body: "12"}}, contents{files: 2}},
		"folders":            {[]entry{{Name: "package/", Type: tar.TypeDir}, {Name: "package/a/", Type: tar.TypeDir}, {Name: "package/a/", Type: tar.TypeDir}, packageJSON}, contents{files: 1}},
		"another root":       {[]entry{{Name: "react/package.json", Body: packageJSON.Body}}, contents{files: 1}},
		"comment of git":     {[]entry{{Name: "pax_global_header", Type: tar.TypeXGlobalHeader, PAX: map[string]string{"comment": "c0ffee"}}, packageJSON}, contents{files: 1}},
		"long name":          {[]entry{packageJSON, {Name: "package/" + strings.Repeat("d/", 60) + "f"}}, contents{files: 2}},
		"accents":            {[]entry{packageJSON, {Name: "package/é.js"}, {Name: "package/e.js"}}, contents{files: 3}},
		"a dot in front":     {[]entry{packageJSON, {Name: "package/.npmrc"}, {Name: "package/..a"}}, contents{files: 3}},
		"byte order mark":    {[]entry{{Name: "package/package.json", Body: "\xef\xbb\xbf" + packageJSON.Body}}, contents{files: 1}},
		"install script":     {[]entry{protocoltest.PackageJSON("x", "1.0.0", `,"scripts":{"postinstall":"x"}`)}, contents{files: 1, runs: true}},
		"other script":       {[]entry{protocoltest.PackageJSON("x", "1.0.0", `,"scripts":{"prepare":"xxx"}`)}, contents{files: 1}},
		"node-gyp":           {[]entry{packageJSON, {Name: "package/binding.gyp"}}, contents{files: 2, builds: true}},
		"node-gyp, capitals": {[]entry{packageJSON, {Name: "package/Binding.gyp"}}, contents{files: 2, builds: true}},
		"no node-gyp":        {[]entry{protocoltest.PackageJSON("x", "1.0.0", `,"gypfile":false`), {Name: "package/binding.gyp"}}, contents{files: 2}},
		"gyp below":          {[]entry{packageJSON, {Name: "package/deps/binding.gyp"}}, contents{files: 2}},
		"shrinkwrap":         {[]entry{packageJSON, {Name: "package/npm-shrinkwrap.json", Body: "{}"}}, contents{files: 2, locked: true}},
		"__proto__":          {[]entry{protocoltest.PackageJSON("x", "1.0.0", `,"__proto__":{"scripts":{"install":"x"}}`)}, contents{files: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := inspect(iotest.OneByteReader(bytes.NewReader(protocoltest.Pack(c.entries...))), usual)
			if err != nil {
				t.Fatal(err)
			}
			c.want.name, c.want.version = "x", "1.0.0"
			for _, e := range c.entries {
				c.want.unpacked += int64(len(e.Body))
			}
			if !strings.Contains(got.packageJSON, `"name"`) {
				t.Errorf("package.json is %q", got.packageJSON)
			}
			got.packageJSON = ""
			if *got != c.want {
				t.Errorf("%+v, want %+v", *got, c.want)
			}
		})
	}
}

func TestF3_HostileTarballs(t *testing.T) {
	good := protocoltest.Pack(packageJSON)
	pack := protocoltest.Pack
	zip := protocoltest.Zip
	small := bounds{entries: 3, expanded: 1 << 20, ratio: 50, slack: 64 << 10, packageJSON: 100}
	for name, c := range map[string]struct {
		tgz  []byte
		want string
	}{
		"nothing":              {nil, "it is empty"},
		"no gzip":              {[]byte("hello world, this is no gzip"), "not compressed with gzip"},
		"cut off gzip":         {good[:len(good)-10], "ends too early"},
		"cut off header":       {good[:5], "ends too early"},
		"damaged":              {append(append([]byte{}, good[:20]...), append([]byte{0xff, 0xff, 0xff}, good[23:]...)...), "damaged"},
		"wrong checksum":       {append(append([]byte{}, good[:len(good)-8]...), 1, 2, 3, 4, 5, 6, 7, 8), "damaged"},
		"no tar":               {zip(bytes.Repeat([]byte("no tar "), 200)), "not a tar archive"},
		"nothing in it":        {pack(), "has no package/package.json"},
		"bytes behind":         {append(bytes.Clone(good), "more"...), "something follows its gzip stream"},
		"second stream":        {append(bytes.Clone(good), good...), "something follows its gzip stream"},
		"behind the archive":   {zip(append(protocoltest.Tar(packageJSON), protocoltest.Tar(entry{Name: "package/evil"})...)), "something follows the end of its archive"},
		"cut off file":         {zip(protocoltest.Tar(packageJSON)[:520]), "ends too early"},
		"absolute":             {pack(packageJSON, entry{Name: "/etc/passwd"}), "is absolute"},
		"parent":               {pack(packageJSON, entry{Name: "package/../../x"}), `has ".."`},
		"parent at the end":    {pack(packageJSON, entry{Name: "package/.."}), `has ".."`},
		"parent with spaces":   {pack(packageJSON, entry{Name: "package/.. /x"}), "one of dots"},
		"dot":                  {pack(packageJSON, entry{Name: "package/./x"}), "one of dots"},
		"dot in front":         {pack(entry{Name: "./package/package.json", Body: packageJSON.Body}), "one of dots"},
		"empty part":           {pack(packageJSON, entry{Name: "package//x"}), "empty part"},
		"backslash":            {pack(packageJSON, entry{Name: `package\..\..\x`}), "backslash"},
		"drive":                {pack(entry{Name: "C:/x", Body: "x"}), "begins with a drive"},
		"null":                 {zip(append(nullPath("package/x\x00/../y"), protocoltest.Tar(packageJSON)...)), "not a tar archive"},
		"control":              {pack(packageJSON, entry{Name: "package/a\nb"}), "control character"},
		"no UTF-8":             {zip(append(protocoltest.Block("package/\xff\xfe", '0', 0), protocoltest.Tar(packageJSON)...)), "not UTF-8"},
		"long name":            {pack(packageJSON, entry{Name: "package/" + strings.Repeat("x/", 25) + strings.Repeat("y", 1000)}), "longer than the bound of 1024"},
		"long part":            {pack(packageJSON, entry{Name: "package/" + strings.Repeat("y", 256)}), "longer than the bound of 255"},
		"deep":                 {pack(packageJSON, entry{Name: "package/" + strings.Repeat("x/", 70) + "y"}), "more folders than the bound of 64"},
		"two roots":            {pack(packageJSON, entry{Name: "other/x"}), "outside of the folder"},
		"two root folders":     {pack(packageJSON, entry{Name: "other/", Type: tar.TypeDir}), "outside of the folder"},
		"file at the root":     {pack(entry{Name: "package.json", Body: packageJSON.Body}), "not in a folder"},
		"symbolic link":        {pack(packageJSON, entry{Name: "package/l", Type: tar.TypeSymlink, Link: "/etc/passwd"}), "a symbolic link"},
		"hard link":            {pack(packageJSON, entry{Name: "package/l", Type: tar.TypeLink, Link: "package/package.json"}), "a hard link"},
		"character device":     {pack(packageJSON, entry{Name: "package/d", Type: tar.TypeChar}), "a device"},
		"block device":         {pack(packageJSON, entry{Name: "package/d", Type: tar.TypeBlock}), "a device"},
		"pipe":                 {pack(packageJSON, entry{Name: "package/p", Type: tar.TypeFifo}), "a pipe"},
		"unknown kind":         {zip(append(protocoltest.Block("package/v", 'V', 0), protocoltest.Tar(packageJSON)...)), "unknown kind V"},
		"global path":          {pack(entry{Name: "g", Type: tar.TypeXGlobalHeader, PAX: map[string]string{"path": "package/package.json"}}, packageJSON), "extended header"},
		"sparse":               {zip(append(sparse(), protocoltest.Tar(packageJSON)...)), "extended header"},
		"huge header":          {zip(append(append(protocoltest.Block("h", 'x', 2<<20), make([]byte, 2<<20)...), protocoltest.Tar(packageJSON)...)), "header in it is larger than the bound of 1 MiB"},
		"negative size":        {zip(append(protocoltest.Block("package/x", '0', -1), protocoltest.Tar(packageJSON)...)), "not a tar archive"},
		"file as a folder":     {zip(append(protocoltest.Block("package/x/", '0', 0), protocoltest.Tar(packageJSON)...)), "empty part"},
		"twice":                {pack(packageJSON, packageJSON), `"package/package.json" is in it twice`},
		"file twice":           {pack(packageJSON, entry{Name: "package/a"}, entry{Name: "package/a"}), "is in it twice"},
		"case":                 {pack(packageJSON, entry{Name: "package/Package.json"}), "one hides the other"},
		"case of a folder":     {pack(packageJSON, entry{Name: "package/lib/a"}, entry{Name: "package/Lib/a"}), "one hides the other"},
		"accents":              {pack(packageJSON, entry{Name: "package/\u00e9"}, entry{Name: "package/e\u0301"}), "one hides the other"},
		"invisible":            {pack(packageJSON, entry{Name: "package/package\u200b.json"}), "one hides the other"},
		"long s":               {pack(packageJSON, entry{Name: "package/package.j\u017fon"}), "one hides the other"},
		"dot at the end":       {pack(packageJSON, entry{Name: "package/package.json."}), "one hides the other"},
		"no manifest":          {pack(entry{Name: "package/index.js"}), "has no package/package.json"},
		"manifest below":       {pack(entry{Name: "package/a/package.json", Body: packageJSON.Body}), "has no package/package.json"},
		"manifest is no JSON":  {pack(entry{Name: "package/package.json", Body: "{"}), "package.json cannot be used"},
		"manifest is an array": {pack(entry{Name: "package/package.json", Body: "[]"}), "not a JSON object"},
		"names twice":          {pack(entry{Name: "package/package.json", Body: `{"name":"x","name":"y"}`}), "occurs twice"},
		"deep manifest":        {pack(entry{Name: "package/package.json", Body: `{"a":` + strings.Repeat("[", 5000)}), "nested deeper than the bound"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inspect(bytes.NewReader(c.tgz), usual)
			if err == nil || !strings.Contains(errs.Public(err), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		tgz  []byte
		want string
	}{
		"many entries":   {pack(packageJSON, entry{Name: "package/1"}, entry{Name: "package/2"}, entry{Name: "package/3"}), "more than the bound of 3 entries"},
		"much":           {noise(2 << 20), "unpacks to more than the bound of 1048576 bytes"},
		"much from few":  {pack(packageJSON, entry{Name: "package/0", Zeros: 900 << 10}), "more than the bound of 50 times its size"},
		"large manifest": {pack(entry{Name: "package/package.json", Body: packageJSON.Body, Zeros: 100}), "larger than the bound of 100 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inspect(bytes.NewReader(c.tgz), small)
			if !errs.Is(err, errs.TooLarge) || !strings.Contains(errs.Public(err), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// nullPath is an entry whose extended header has a path with a null in it.
func nullPath(path string) []byte {
	record := fmt.Sprintf(" path=%s\n", path)
	record = fmt.Sprintf("%d%s", len(record)+2, record)
	return append(append(protocoltest.Block("x", 'x', int64(len(record))), pad(record)...), protocoltest.Block("package/y", '0', 0)...)
}

// sparse is a file of which the archive has only some pieces.
func sparse() []byte {
	record := "22 GNU.sparse.major=1\n" + "22 GNU.sparse.minor=0\n" + "29 GNU.sparse.name=package/s\n" + "30 GNU.sparse.realsize=100000\n"
	body := pad("1\n0\n5\nhello")
	out := append(protocoltest.Block("x", 'x', int64(len(record))), pad(record)...)
	return append(append(out, protocoltest.Block("package/s", '0', int64(len(body)))...), body...)
}

func pad(s string) []byte { return append([]byte(s), make([]byte, (512-len(s)%512)%512)...) }

// noise is a tarball whose file does not compress.
func noise(size int) []byte {
	b := make([]byte, size)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return protocoltest.Pack(packageJSON, entry{Name: "package/noise", Body: string(b)})
}

func TestF3_GigabytesOfZeros(t *testing.T) {
	tgz := protocoltest.Bomb(packageJSON, 10<<30)
	if len(tgz) > 20<<20 {
		t.Fatalf("%d bytes are not few", len(tgz))
	}
	r := &counter{from: bytes.NewReader(tgz)}
	_, err := inspect(r, usual)
	if !errs.Is(err, errs.TooLarge) || !strings.Contains(errs.Public(err), "200 times its size") {
		t.Errorf("error %v", err)
	}
	if r.n > 1<<20 {
		t.Errorf("%d bytes were read before it was refused", r.n)
	}
	unbounded := usual
	unbounded.ratio, unbounded.expanded = 1<<20, 128<<20
	if _, err := inspect(bytes.NewReader(tgz), unbounded); !strings.Contains(errs.Public(err), "more than the bound of 134217728 bytes") {
		t.Errorf("error %v", err)
	}
}

func TestInspect_ErrorsOfTheReaderStayTheirs(t *testing.T) {
	mine := errs.New(errs.Unavailable, "test", "the line is down")
	for _, n := range []int{0, 5, 30, 100} {
		r := io.MultiReader(bytes.NewReader(protocoltest.Pack(packageJSON)[:n]), iotest.ErrReader(mine))
		if _, err := inspect(r, usual); !errs.Is(err, errs.Unavailable) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}
