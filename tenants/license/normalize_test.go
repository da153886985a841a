package license

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseReadsWhatPeopleWrite(t *testing.T) {
	tests := map[string]string{
		"MIT": "MIT", "mit": "MIT", "The MIT License (MIT)": "MIT", "MIT/X11": "MIT", "M.I.T.": "MIT", "MIT License, see LICENSE.md": "MIT",
		"MIT Copyright (c) 2015 Somebody": "MIT", `"MIT"`: "MIT", "['MIT']": "MIT", "https://opensource.org/licenses/MIT": "MIT",
		"License :: OSI Approved :: MIT License": "MIT", "MIT (http://example.org/license.txt)": "MIT", "http://x.mit-license.org/": "MIT",
		"Apache 2.0": "Apache-2.0", "Apache License, Version 2.0": "Apache-2.0", "ASL 2.0": "Apache-2.0", "apache2": "Apache-2.0", "Apache20": "Apache-2.0",
		"Apache Software License, version 1.1": "Apache-1.1", "http://www.apache.org/licenses/LICENSE-2.0.txt": "Apache-2.0", "APACHE2_0": "Apache-2.0",
		"BSD": "BSD-3-Clause", "New BSD": "BSD-3-Clause", "2-clause BSD license": "BSD-2-Clause", `BSD 3-Clause "New" or "Revised" License`: "BSD-3-Clause",
		"Original BSD License": "BSD-4-Clause", "Simplified BSD": "BSD-2-Clause", "0BSD": "0BSD",
		"GPLv3": "GPL-3.0-only", "GPLv2+": "GPL-2.0-or-later", "GPL": "GPL-2.0-or-later", "gpl (≥ 3)": "GPL-3.0-or-later", "GPL-3.0": "GPL-3.0-only",
		"GNU General Public License v2 or later (GPLv2+)":             "GPL-2.0-or-later",
		"GNU General Public License, version 2, or any later version": "GPL-2.0-or-later",
		"GNU Library or Lesser General Public License version 2.0":    "LGPL-2.0-only",
		"GNU Lesser General Public License v3 or later (LGPLv3+)":     "LGPL-3.0-or-later",
		"GNU Affero General Public License v3":                        "AGPL-3.0-only",
		"GPL v2 with the Classpath exception":                         "GPL-2.0-only WITH Classpath-exception-2.0",
		"CDDL/GPLv2+CE":                                               "CDDL-1.0 OR GPL-2.0-only WITH Classpath-exception-2.0",
		"CDDL+GPL":                                                    "CDDL-1.0 OR GPL-2.0-or-later",
		"Dual license consisting of the CDDL v1.1 and GPL v2":         "CDDL-1.1 OR GPL-2.0-only",
		"Apache License, Version 2.0 and Common Development And Distribution License (CDDL) Version 1.0": "Apache-2.0 AND CDDL-1.0",
		"MPL 2.0 or EPL 1.0": "MPL-2.0 OR EPL-1.0", "MIT, 2-clause BSD": "MIT AND BSD-2-Clause", "MIT -or- Apache License 2.0": "MIT OR Apache-2.0",
		"LGPL+BSD": "LGPL-2.1-or-later AND BSD-3-Clause", "MIT OR (Apache-2.0 AND BSD-3-Clause)": "MIT OR Apache-2.0 AND BSD-3-Clause",
		"(MIT OR Apache-2.0) AND ISC": "(MIT OR Apache-2.0) AND ISC", "mit or apache-2.0": "MIT OR Apache-2.0",
		"Eclipse Public License - v 2.0": "EPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
		"CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0", "Creative Commons Attribution-NonCommercial 4.0 International": "CC-BY-NC-4.0",
		"Public Domain": "LicenseRef-Public-Domain", "Public Domain (Unlicense)": "Unlicense", "Public domain (CC0-1.0)": "CC0-1.0",
		"https://creativecommons.org/licenses/by-sa/4.0/": "CC-BY-SA-4.0", "https://licenses.example.org/MIT%20OR%20Apache-2.0": "MIT OR Apache-2.0",
		"http://www.gnu.org/licenses/lgpl-2.1.html": "LGPL-2.1-only", "BSD-2-Clause-FreeBSD": "BSD-2-Clause-Views", "wxWindows": "GPL-2.0-or-later WITH WxWindows-exception-3.1",
		"JSON License": "JSON", "Python Software Foundation License": "PSF-2.0", "WTFPL": "WTFPL", "© 2014 WTFPL": "WTFPL",
	}
	for declared, want := range tests {
		e, ok := Parse(declared)
		if !ok || e.String() != want {
			t.Errorf("%q: got %q, %v; want %q", declared, e, ok, want)
			continue
		}
		if again, ok := Parse(e.String()); !ok || again.String() != want {
			t.Errorf("%q: reading %q again gives %q", declared, want, again)
		}
	}
}

func TestParseDoesNotGuess(t *testing.T) {
	for _, declared := range []string{
		"", "  ", "SEE LICENSE IN LICENSE.md", "see LICENSE", "UNLICENSED", "Unlicensed", "proprietary", "Commercial", "custom", "Freeware", "NONE", "NOASSERTION",
		"not MIT", "MIT with the Commons Clause", "Apache 2.0 with Commons Clause", "GPL or commercial", "non-GPL", "Other/Proprietary License", "LICENSE", "license.txt",
		"OSI Approved", "https://example.org/license", "MIT and something else entirely", "Apache-2.0 + ours", "MIT / ours", "we go to the json beach with ruby",
		"Similar to Apache License but with the acknowledgment clause removed", strings.Repeat("MIT ", 1000),
		"Permission is hereby granted, free of charge, to any person obtaining a copy of this software, as the MIT people say, to deal in it without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of it, and so on and so forth, whatever that means.",
	} {
		if e, ok := Parse(declared); ok {
			t.Errorf("%q was read as %q", declared, e)
		}
	}
}

// truthRows reads the table of declared texts; texts may go over several lines.
func truthRows(t *testing.T) [][2]string {
	t.Helper()
	dir := os.Getenv("SLUICE_SHARED_DATA")
	if dir == "" {
		t.Skip("SLUICE_SHARED_DATA is not set: the table of declared licences is not here")
	}
	data, err := os.ReadFile(filepath.Join(dir, "licences/normalise-truth.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][2]string
	pending := ""
	for line := range strings.SplitSeq(string(data), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		pending += line
		if f := strings.Split(pending, "\t"); len(f) == 3 {
			rows = append(rows, [2]string{f[0], f[1]})
			pending = ""
		} else if pending != "" {
			pending += "\n"
		}
	}
	return rows
}

// TestParseAgainstTruthTable measures. The table contradicts itself ("GPLv3" is
// GPL-3.0-only in one row and GPL-3.0-or-later in another, "BSD License" has
// three, four or two clauses), so the test holds the numbers that are reached,
// not every row.
func TestParseAgainstTruthTable(t *testing.T) {
	rows := truthRows(t)
	exact, close, refused, outside := 0, 0, 0, 0
	var differ []string
	for _, row := range rows {
		want, err := ParseSPDX(row[1])
		got, ok := Parse(row[0])
		switch {
		case err != nil || strings.Contains(row[1], "LicenseRef-"):
			outside++ // nothing that the SPDX list has
		case !ok:
			refused++
			t.Logf("not understood: %q is %s", row[0], row[1])
		case got.String() == want.String():
			exact++
		case loose(got) == loose(want):
			close++
		default:
			differ = append(differ, row[0]+": "+got.String()+", not "+want.String())
		}
	}
	inside := len(rows) - outside
	t.Logf("%d rows, %d of them about licences of the SPDX list: %d the same, %d but for only/or-later, %d not understood, %d different",
		len(rows), inside, exact, close, refused, len(differ))
	for _, d := range differ {
		t.Log(d)
	}
	if exact < 830 || exact+close < 880 || len(differ) > 48 {
		t.Error("fewer rows agree than did")
	}
}

// loose drops what the sources of the table disagree about.
func loose(e Expression) string {
	return strings.NewReplacer("-only", "", "-or-later", "").Replace(e.String())
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"MIT", "Apache 2.0", "GPLv2+", "CDDL/GPLv2+CE", "(MIT OR Apache-2.0) AND ISC", "https://opensource.org/licenses/MIT", "SEE LICENSE IN x", "©", "GPL-2.0+ WITH Classpath-exception-2.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, declared string) {
		e, ok := Parse(declared)
		if ok == e.IsZero() {
			t.Fatalf("%q: %v and %q", declared, ok, e)
		}
		if !ok {
			return
		}
		again, err := ParseSPDX(e.String())
		if err != nil || again.String() != e.String() {
			t.Fatalf("%q became %q, which becomes %q, %v", declared, e, again, err)
		}
		p := DefaultPolicy()
		if a, b := p.Evaluate(e), p.EvaluateText(e.String()); a != b {
			t.Fatalf("%q: %+v and %+v", e, a, b)
		}
	})
}
