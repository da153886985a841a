package coord

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sharedFile opens a file of the public facts that the project does not hold
// itself, or skips the test.
func sharedFile(t *testing.T, name string) *os.File {
	t.Helper()
	dir := os.Getenv("SLUICE_SHARED_DATA")
	if dir == "" {
		t.Skip("SLUICE_SHARED_DATA is not set: the truth tables of public sources are not here")
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// sharedLines calls each with every line that is no comment.
func sharedLines(t *testing.T, name string, each func(line string)) {
	t.Helper()
	lines := bufio.NewScanner(sharedFile(t, name))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, "#") {
			each(line)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// sharedJSON decodes every line of a file into a T.
func sharedJSON[T any](t *testing.T, name string, each func(row T)) {
	t.Helper()
	sharedLines(t, name, func(line string) {
		var row T
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		each(row)
	})
}
