package recall_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice.dev/sluice/tenants/org/recall"
)

// feed is trusted or not as the test says.
type feed struct{ silent atomic.Bool }

func (f *feed) Trusted() bool { return !f.silent.Load() }

// source counts loads and answers with its current value.
type source struct {
	loads int
	value string
}

func (s *source) load(context.Context) (string, error) { s.loads++; return s.value, nil }

func get(t *testing.T, m *recall.Memory[string, string], load func(context.Context) (string, error)) string {
	t.Helper()
	v, err := m.Get(context.Background(), "k", load)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestQ2_RemembersUntilToldToForget(t *testing.T) {
	m := recall.New(&feed{}, recall.Options[string, string]{Most: 10})
	s := &source{value: "one"}
	for range 3 {
		if v := get(t, m, s.load); v != "one" || s.loads != 1 {
			t.Fatalf("%q after %d loads", v, s.loads)
		}
	}
	for i, forget := range []func(){func() { m.Forget("k") }, m.ForgetAll} {
		s.value = "newer" + strings.Repeat("!", i)
		forget()
		if v := get(t, m, s.load); v != s.value || s.loads != i+2 {
			t.Fatalf("%q after %d loads", v, s.loads)
		}
	}
}

func TestQ2_SilentFeedIsNotAnsweredFromMemory(t *testing.T) {
	f := &feed{}
	m := recall.New(f, recall.Options[string, string]{Most: 10})
	s := &source{value: "one"}
	get(t, m, s.load)
	f.silent.Store(true)
	s.value = "two"
	if v := get(t, m, s.load); v != "two" {
		t.Fatalf("%q from memory", v)
	}
	if _, ok := m.Peek("k"); ok {
		t.Fatal("Peek answers")
	}
	// What was loaded in silence may have been overtaken by a change that
	// nobody heard of, so that it is not kept.
	s.value = "three"
	if v := get(t, m, s.load); v != "three" {
		t.Fatalf("%q kept in silence", v)
	}
}

func TestQ2_ChangeDuringALoadIsNotForgotten(t *testing.T) {
	m := recall.New(&feed{}, recall.Options[string, string]{Most: 10})
	v := get(t, m, func(context.Context) (string, error) {
		m.Forget("k") // the change arrives after the rows were read
		return "old", nil
	})
	if v != "old" {
		t.Fatal("who asked before the change may get the old value")
	}
	if v := get(t, m, (&source{value: "new"}).load); v != "new" {
		t.Fatalf("%q was kept over a change", v)
	}
}

func TestQ2_ALoadFromBeforeAChangeAnswersNobodyAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := recall.New(&feed{}, recall.Options[string, string]{Most: 10})
		release := make(chan struct{})
		first := make(chan string, 2)
		ask := func(load func(context.Context) (string, error)) {
			go func() { v, _ := m.Get(context.Background(), "k", load); first <- v }()
			synctest.Wait()
		}
		ask(func(context.Context) (string, error) { <-release; return "old", nil })
		m.Forget("k")
		if v := get(t, m, (&source{value: "new"}).load); v != "new" {
			t.Fatalf("joined a load from before the change: %q", v)
		}
		close(release)
		if v := <-first; v != "old" {
			t.Fatalf("first got %q", v)
		}
		if v, ok := m.Peek("k"); !ok || v != "new" {
			t.Fatalf("the old load overwrote the new value: %q", v)
		}
	})
}

func TestConcurrentMissesShareALoadThatOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := recall.New(&feed{}, recall.Options[string, string]{Most: 10})
		release, loads := make(chan struct{}), 0
		load := func(ctx context.Context) (string, error) {
			loads++
			<-release
			return "value", ctx.Err()
		}
		gone, leave := context.WithCancel(context.Background())
		left, stayed := make(chan error, 1), make(chan string, 1)
		go func() { _, err := m.Get(gone, "k", load); left <- err }()
		synctest.Wait()
		go func() { v, _ := m.Get(context.Background(), "k", load); stayed <- v }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Fatalf("who left got %v", err)
		}
		close(release)
		if v := <-stayed; v != "value" || loads != 1 {
			t.Fatalf("%q after %d loads", v, loads)
		}
	})
}

func TestErrorsAndPanicsAreNotKept(t *testing.T) {
	m := recall.New(&feed{}, recall.Options[string, string]{Most: 10})
	for _, load := range []func(context.Context) (string, error){
		func(context.Context) (string, error) { return "x", errors.New("broken") },
		func(context.Context) (string, error) { panic("broken") },
	} {
		if _, err := m.Get(context.Background(), "k", load); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Fatalf("error %v", err)
		}
	}
	if v := get(t, m, (&source{value: "fine"}).load); v != "fine" {
		t.Fatalf("%q", v)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := recall.New(&feed{}, recall.Options[int, int]{Most: 10, For: func(int) time.Duration { return time.Hour }})
	for i := range 10_000 {
		if _, err := m.Get(context.Background(), i, func(context.Context) (int, error) { return i, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.Len(); n > 10 {
		t.Errorf("%d entries are kept, want 10 at most", n)
	}
}
