package gate

import (
	"io"
	"sync"
	"time"
)

// Content is an open file. Close must be called.
type Content struct {
	Name     string
	Size     int64     // -1 while unknown
	SHA256   string    // hex; "" while the bytes still arrive
	Modified time.Time // publish time of the version; zero when unknown
	Warning  string    // value of a Warning header, "" for none

	// Seeker is the whole verified file; when it is an *os.File the kernel can
	// send it. Nil while the bytes still arrive from a remote: read Stream then.
	Seeker io.ReadSeeker
	// Stream yields bytes as they arrive. Its last bytes come only after the
	// digest has matched and the version was decided again; on a mismatch Read
	// fails, and the response must be broken off (R2).
	Stream io.Reader

	close func() error
}

// NewContent returns c with what its Close does, at most once.
func NewContent(c Content, closed func() error) *Content {
	c.close = sync.OnceValue(closed)
	return &c
}

// Close ends the use of the content.
func (c *Content) Close() error { return c.close() }
