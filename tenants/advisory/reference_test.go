package advisory

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
)

func TestReferenceOf(t *testing.T) {
	const v3, v4 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H"
	for _, c := range []struct {
		name, id, record string
		want             Reference
	}{
		{"GitHub's", "GHSA-35jh-r3h4-6jhm", `{"severity":[{"type":"CVSS_V4","score":"` + v4 + `"},{"type":"CVSS_V3","score":"` + v3 + `"}],
			"details":"# Title\nText","references":[{"type":"ADVISORY","url":"https://nvd.example/1"},{"type":"WEB","url":"javascript:alert(1)"}],
			"database_specific":{"cwe_ids":["CWE-77","CWE-94","CWE-77","nonsense"]}}`,
			Reference{URL: "https://github.com/advisories/GHSA-35jh-r3h4-6jhm", Links: []string{"https://nvd.example/1"}, CWE: []string{"CWE-77", "CWE-94"},
				Vector: v3, Score: 9.8, Details: "# Title\nText"}},
		{"of another database", "MAL-2026-1", `{"references":[{"type":"WEB","url":"https://a.example/"},{"type":"ADVISORY","url":"https://b.example/x"}],
			"affected":[{"package":{"ecosystem":"npm","name":"x"},"database_specific":{"cwes":[{"cweId":"CWE-506"}]},"severity":[{"type":"CVSS_V3","score":"` + v3 + `"}]}]}`,
			Reference{URL: "https://b.example/x", Links: []string{"https://a.example/", "https://b.example/x"}, CWE: []string{"CWE-506"}, Vector: v3, Score: 9.8}},
		{"nothing usable", "X/1", `{"references":"no","details":7,"severity":[{"type":"CVSS_V3","score":"high"}],"database_specific":[]}`,
			Reference{URL: "https://osv.dev/vulnerability/X%2F1"}},
		{"addresses with credentials", "X-1", `{"references":[{"type":"ADVISORY","url":"https://u:p@b.example/"},{"type":"ADVISORY","url":"/x"}]}`,
			Reference{URL: "https://osv.dev/vulnerability/X-1"}},
	} {
		if got := referenceOf(c.id, []byte(c.record)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	long := referenceOf("X", []byte(`{"details":"`+strings.Repeat("ä", maxDetails)+`"}`)).Details
	if len(long) > maxDetails || !strings.HasSuffix(long, "ä…") {
		t.Errorf("long details have %d bytes", len(long))
	}
}

func TestReferencesOfWhatIsStored(t *testing.T) {
	d := dbtest.New(t)
	imported(t, d, folder(t, map[string]string{"a.json": `{"id":"GHSA-aaaa-bbbb-cccc","modified":"` + january + `","affected":` + affects("npm", "x", "1.0.0") + `,
		"database_specific":{"cwe_ids":["CWE-79"]}}`}), today)
	err := d.InGlobal(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		got, err := NewService(d).References(ctx, tx, []string{"GHSA-aaaa-bbbb-cccc", "GHSA-none"})
		if err != nil {
			return err
		}
		if len(got) != 1 || !reflect.DeepEqual(got["GHSA-aaaa-bbbb-cccc"].CWE, []string{"CWE-79"}) {
			t.Errorf("references = %+v", got)
		}
		none, err := NewService(d).References(ctx, tx, nil)
		if err != nil || len(none) != 0 {
			t.Errorf("of nothing: %v %v", none, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzReference(f *testing.F) {
	f.Add([]byte(`{"references":[{"type":"ADVISORY","url":"https://b.example/x"}],"details":"d","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := referenceOf("MAL-1", raw)
		if !isLink(r.URL) || len(r.Links) > maxLinks || len(r.Details) > maxDetails || r.Score < 0 || r.Score > 10 {
			t.Errorf("%+v", r)
		}
	})
}
