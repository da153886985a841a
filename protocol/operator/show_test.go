package operator

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

func TestShow_SizesAndSpans(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 100 << 20: "100 MiB", 5 << 40: "5 TiB", 1<<63 - 1: "8 EiB"} {
		if got := size(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-time.Hour: "less than a second", time.Second: "1 second", 119 * time.Second: "1 minute", 2 * time.Minute: "2 minutes",
		47 * time.Hour: "1 day", 72 * time.Hour: "3 days"} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestT5_BarsOfQuotas(t *testing.T) {
	for _, c := range []struct {
		used, most, percent int64
		high                float64
	}{{9, 10, 90, 8}, {0, 10, 0, 8}, {20, 10, 200, 8}, {5, 0, 0, 0}} {
		b := barOf("x", c.used, c.most, number)
		if b.Percent != c.percent || b.High != c.high || (b.Max == 0) != (c.most == 0) {
			t.Errorf("%d of %d: %+v", c.used, c.most, b)
		}
	}
}

// TestF5_QuotaForms: whole numbers from 0 in words that say which is wrong.
func TestF5_QuotaForms(t *testing.T) {
	form := func(registries, storage, requests string) url.Values {
		return url.Values{"registries": {registries}, "storage": {storage}, "requests": {requests}}
	}
	got, err := quotaOf(form(" 5 ", "2", ""))
	if err != nil || got != (org.Quota{Registries: 5, Storage: 2 << 20}) {
		t.Errorf("%+v, %v", got, err)
	}
	for field, f := range map[string]url.Values{"registries": form("-1", "", ""), "storage": form("1", "2 GiB", ""), "requests": form("", "", "99999999999999999999")} {
		if _, err := quotaOf(f); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), "the quota of "+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, reason := range []string{"", " \n ", strings.Repeat("ä", maxReason+1)} {
		if _, err := reasonOf(url.Values{"reason": {reason}}); !errs.Is(err, errs.Invalid) {
			t.Errorf("the reason %q: %v", reason, err)
		}
	}
	if got, err := reasonOf(url.Values{"reason": {" " + strings.Repeat("ä", maxReason)}}); err != nil || len(got) != 2*maxReason {
		t.Errorf("the longest reason: %v", err)
	}
}
