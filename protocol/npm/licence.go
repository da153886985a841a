package npm

import (
	"encoding/json"
	"strings"

	"sluice.dev/sluice/tenants/license"
	"sluice.dev/sluice/tenants/policy"
)

// maxLicense bounds how much of a declared licence is read.
const maxLicense = 16 << 10

// licenses reads the declared licence of manifests. Versions of one package
// mostly declare the same, so what was read once is remembered.
type licenses map[string]policy.LicenseFact

// fact reads the members license and licenses. A version's own manifest alone
// counts: a licence that only the top level of the document has is about the
// newest version, and is not carried to others.
func (ls licenses) fact(raw []byte, f *found) policy.LicenseFact {
	v := f.license
	if v.empty() {
		v = f.licenses
	}
	if v.empty() {
		return policy.LicenseFact{State: policy.LicenseMissing}
	}
	if got, ok := ls[string(v.of(raw))]; ok {
		return got
	}
	got := fact(v.of(raw))
	ls[string(v.of(raw))] = got
	return got
}

func fact(raw []byte) policy.LicenseFact {
	var v any
	if len(raw) > maxLicense || json.Unmarshal(raw, &v) != nil {
		return policy.LicenseFact{State: policy.LicenseUnknown, Expression: strings.ToValidUTF8(string(raw[:min(len(raw), 200)]), "")}
	}
	declared := strings.TrimSpace(declaredLicense(v))
	if declared == "" {
		return policy.LicenseFact{State: policy.LicenseMissing}
	}
	if e, ok := license.Parse(declared); ok {
		return policy.LicenseFact{State: policy.LicenseDeclared, Expression: e.String()}
	}
	return policy.LicenseFact{State: policy.LicenseUnknown, Expression: declared}
}

// declaredLicense reads the forms that manifests have had over the years: an
// SPDX expression, {"type": …, "url": …}, or an array of either, which means a
// choice.
func declaredLicense(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		for _, key := range []string{"type", "name", "url"} {
			if s, ok := v[key].(string); ok && s != "" {
				return s
			}
		}
	case []any:
		var all []string
		for _, x := range v {
			if _, nested := x.([]any); nested {
				continue
			}
			if s := strings.TrimSpace(declaredLicense(x)); s != "" {
				all = append(all, s)
			}
		}
		if len(all) == 1 {
			return all[0]
		}
		for i, s := range all {
			if strings.ContainsRune(s, ' ') {
				all[i] = "(" + s + ")"
			}
		}
		return strings.Join(all, " OR ")
	}
	return ""
}
