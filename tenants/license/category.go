package license

import "strings"

// Category groups licences by what they ask of somebody who uses the software,
// so that a policy need not list hundreds of ids.
type Category string

// The categories. They are a first orientation for policies and no legal advice.
const (
	Permissive      Category = "PERMISSIVE"       // attribution at most
	WeakCopyleft    Category = "WEAK_COPYLEFT"    // changes of the component itself must stay open
	StrongCopyleft  Category = "STRONG_COPYLEFT"  // works that are distributed with it must be open
	NetworkCopyleft Category = "NETWORK_COPYLEFT" // also when it is only used over a network
	NonCommercial   Category = "NON_COMMERCIAL"   // commercial use, or competing use, is excluded
	Uncategorized   Category = ""                 // not known to the table below
)

// Categories returns those that a rule can name.
func Categories() []Category {
	return []Category{Permissive, WeakCopyleft, StrongCopyleft, NetworkCopyleft, NonCommercial}
}

// Valid reports whether a rule can name c.
func (c Category) Valid() bool {
	switch c {
	case Permissive, WeakCopyleft, StrongCopyleft, NetworkCopyleft, NonCommercial:
		return true
	}
	return false
}

// families are ids without their version: an id belongs to the longest family
// that is its beginning up to a "-" or its end.
var families = map[string]Category{}

func init() {
	for category, ids := range map[Category]string{
		Permissive: `0BSD AFL Apache Artistic-2.0 Beerware Bitstream-Vera BlueOak BSD BSL-1.0 bzip2 CC-BY CC0 CC-PDDC
			CNRI-Python curl FSFAP FTL HPND ICU IJG ISC JSON Libpng MIT MIT-0 MITNFA MS-PL MulanPSL-2.0 NAIST NCSA
			NTP OFL OLDAP OpenSSL PHP Plexus PostgreSQL PSF Python Ruby SAX-PD SGI-B-2.0 SMLNJ TCL Unicode Unicode-DFS
			Unlicense UPL Vim W3C WTFPL X11 Xnet Zend Zlib zlib-acknowledgement ZPL Info-ZIP libtiff mpich2 ODC-By PDDL
			TCP-wrappers Spencer LicenseRef-Public-Domain Sendmail-8.23 bcrypt-Solar-Designer BSD-3-Clause-LBNL AML ECL EFL Fair CECILL-B
			AAL CERN-OHL-P Condor Entessa EUDatagrid Imlib2 Intel Jam MirOS Multics Naumen OLFL VSL WordNet XFree86 xinetd`,
		WeakCopyleft: `LGPL MPL EPL CPL IPL CDDL APSL Artistic-1.0 MS-RL SPL Nokia CC-BY-SA ODbL OSET-PL
			LPL ErlPL CECILL-C SISSL LPPL EUPL LGPLLR NPL
			CERN-OHL-W APL CATOSL CUA-OPL IPA Motosoto NASA NOSL LiLiQ-R YPL Zimbra`,
		StrongCopyleft:  `GPL CECILL GFDL OSL QPL Sleepycat RPL CERN-OHL-S NGPL NPOSL RSCPL SimPL LiLiQ-Rplus TMate`,
		NetworkCopyleft: `AGPL SSPL CPAL RPSL CAL`,
		NonCommercial:   `CC-BY-NC BUSL Elastic PolyForm-Noncommercial PolyForm-Small-Business CC-BY-ND Aladdin Hippocratic`,
	} {
		for id := range strings.FieldsSeq(ids) {
			families[id] = category
		}
	}
}

// linkingExceptions make a strong copyleft licence weak: they allow works that
// link to the component to keep their own terms.
var linkingExceptions = map[string]bool{
	"Classpath-exception-2.0": true, "GCC-exception-2.0": true, "GCC-exception-3.1": true, "Linux-syscall-note": true,
	"Autoconf-exception-2.0": true, "Autoconf-exception-3.0": true, "Bison-exception-2.2": true, "eCos-exception-2.0": true,
	"Font-exception-2.0": true, "WxWindows-exception-3.1": true, "OpenJDK-assembly-exception-1.0": true, "GPL-CC-1.0": true,
	"Universal-FOSS-exception-1.0": true, "FLTK-exception": true, "Libtool-exception": true, "LGPL-3.0-linking-exception": true,
}

// CategoryOf returns the category of one licence of an [Expression], as
// [Expression.Licenses] spells it; Uncategorized when the table does not know it.
func CategoryOf(id string) Category {
	id, exception, with := strings.Cut(id, " WITH ")
	category := categoryOfFamily(strings.TrimSuffix(id, "+"))
	if with && category == StrongCopyleft && linkingExceptions[exception] {
		return WeakCopyleft
	}
	return category
}

func categoryOfFamily(id string) Category {
	for id != "" {
		if c, ok := families[id]; ok {
			return c
		}
		id = id[:max(strings.LastIndexByte(id, '-'), 0)]
	}
	return Uncategorized
}
