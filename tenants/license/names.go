package license

import "strings"

// The families whose pairing is special.
var (
	gpl  = &nameFamily{resolve: gnu("GPL", "2", "1", "2", "3")}
	cddl = &nameFamily{versions: of("CDDL", "1.0", "1.1"), fallback: "CDDL-1.0"}

	cc0          = &nameFamily{resolve: always("CC0-1.0")}
	unlicense    = &nameFamily{resolve: always("Unlicense")}
	publicDomain = &nameFamily{resolve: always("LicenseRef-Public-Domain")}
)

// of maps version "n" to "prefix-n" for the versions that the SPDX list has.
func of(prefix string, versions ...string) map[string]string {
	ids := map[string]string{}
	for _, v := range versions {
		ids[strings.TrimSuffix(v, ".0")] = prefix + "-" + v
	}
	return ids
}

// familyNames maps every name to its family.
var familyNames = map[string]*nameFamily{}

func init() {
	name := func(f *nameFamily, names ...string) {
		for _, n := range names {
			familyNames[n] = f
		}
	}
	versioned := func(prefix, fallback string, versions ...string) *nameFamily {
		return &nameFamily{versions: of(prefix, versions...), fallback: prefix + "-" + fallback}
	}
	everyday := func(id string, names ...string) {
		name(&nameFamily{resolve: always(id), everyday: true}, names...)
	}
	fixed := func(id string, names ...string) { name(&nameFamily{resolve: always(id)}, names...) }

	name(gpl, "gpl", "gplv", "glp", "glpv", "gnu glp", "general public", "gnu general public", "gnu gpl", "gnu gplv", "gnu public", "gnu", "gnu general public gpl", "gnu v",
		"general public gpl", "gnu gpl gnu general public")
	name(&nameFamily{resolve: gnu("LGPL", "2.1", "2", "2.1", "3")}, "lgpl", "lgplv", "lpgl", "lglp", "lglpv", "lesser general public", "gnu lesser general public", "gnu lgpl", "gnu lgplv",
		"library general public", "gnu library general public", "general lesser public", "gnu general lesser public", "lesser public", "gnu lesser public",
		"creative commons gnu lgpl", "lesser gpl", "gnu lesser gpl", "gnu lesser")
	name(&nameFamily{resolve: gnu("AGPL", "3", "1", "3")}, "agpl", "agplv", "apgl", "apglv", "affero general public", "gnu affero general public", "affero gpl", "affero gplv",
		"gnu affero gpl", "gnu affero gplv", "gnu agpl", "gnu agplv", "gnu affero", "affero")
	name(&nameFamily{resolve: gnu("GFDL", "1.3", "1.1", "1.2", "1.3")}, "gfdl", "fdl", "free documentation", "gnu free documentation", "gnu fdl")
	name(versioned("Apache", "2.0", "1.0", "1.1", "2.0"), "apache", "apachev", "asl", "aslv", "asf", "apl", "aplv", "alv", "al", "apache software", "apache public", "apache asl")
	name(&nameFamily{resolve: bsd}, "bsd", "bsdl", "bdsl", "bsd'", "berkeley software distribution", "berkeley software distribution bsd")
	fixed("BSD-2-Clause-Views", "freebsd")
	fixed("BSD-2-Clause", "netbsd")
	fixed("BSD-3-Clause", "edl", "eclipse distribution", "eclipse distribution edl", "hsqldb", "eclipse distribution new bsd")
	everyday("BSD-3-Clause", "go", "golang")
	fixed("MIT", "mit", "expat", "bouncy castle", "mitx")
	everyday("MIT", "bouncy", "jquery")
	fixed("X11", "xeleven")
	fixed("MITNFA", "mitnfa")
	fixed("ISC", "isc", "iscl")
	name(versioned("MPL", "2.0", "1.0", "1.1", "2.0"), "mpl", "mplv", "mozilla public", "mozilla", "mozilla public mpl")
	name(versioned("EPL", "1.0", "1.0", "2.0"), "epl", "eplv", "eclipse public", "eclipse publish", "eclipse", "eclipse public epl", "epl eclipse public")
	name(cddl, "cddl", "cddlv", "netbeans cddl", "cddl cddl")
	name(versioned("CPL", "1.0", "1.0"), "cpl", "common public")
	name(versioned("IPL", "1.0", "1.0"), "ibm public", "ipl")
	name(versioned("EUPL", "1.0", "1.0", "1.1", "1.2"), "eupl", "euplv", "european union public", "eu public", "european union public eupl")
	name(versioned("AFL", "3.0", "1.1", "1.2", "2.0", "2.1", "3.0"), "afl", "aflv", "afl afl")
	name(versioned("OSL", "3.0", "1.0", "1.1", "2.0", "2.1", "3.0"), "osl", "open software")
	name(versioned("ZPL", "2.1", "1.1", "2.0", "2.1"), "zpl", "zope", "zope public")
	name(versioned("Artistic", "2.0", "1.0", "2.0"), "artistic")
	name(versioned("EFL", "2.0", "1.0", "2.0"), "efl", "eiffel forum", "eiffel")
	name(versioned("ECL", "2.0", "1.0", "2.0"), "ecl", "educational community")
	name(versioned("ODbL", "1.0", "1.0"), "odbl", "open database", "open data commons open database")
	name(versioned("CPAL", "1.0", "1.0"), "cpal", "common public attribution")
	name(versioned("UPL", "1.0", "1.0"), "upl", "universal permissive", "universal permissive upl")
	name(versioned("OFL", "1.1", "1.0", "1.1"), "ofl", "sil open font", "open font", "sil ofl")
	name(versioned("BSL", "1.0", "1.0"), "boost", "boost software", "bsl")
	name(versioned("OLDAP", "2.8", "2.7", "2.8"), "openldap public", "openldap")
	name(versioned("CECILL", "1.1", "1.0", "1.1", "2.0", "2.1"), "cecill", "cea cnrs inria logiciel libre", "cea cnrs inria logiciel libre cecill")
	fixed("CECILL-B", "cecill b", "cecill b free software cecill b", "cecill b free software")
	fixed("CECILL-C", "cecill c", "cecill c free software cecill c", "cecill c free software")
	name(&nameFamily{resolve: creativeCommons}, "cc", "creative commons", "cc by")
	fixed("CC-PDDC", "creative commons public domain")
	name(cc0, "cczero", "cczero universal", "cc zero", "creative commons zero", "creative commons cczero", "public domain dedication")
	fixed("WTFPL", "wtfpl", "wtfplv", "wtf", "dwtfyw", "dwtfywpl", "do what the fuck you want to public", "do what fuck you want", "do what fuck you want to", "do what fuck you want to public")
	name(unlicense, "unlicense", "unlicence", "public domain unlicense", "public domain unlicence", "unlicense unlicense")
	name(publicDomain, "public domain", "publicdomain")
	fixed("PSF-2.0", "psf", "psfl", "python software foundation")
	everyday("PSF-2.0", "python")
	fixed("CNRI-Python", "cnri python", "python cnri", "python cnri python")
	fixed("Zlib", "zlib")
	fixed("W3C", "wwwc")
	everyday("JSON", "json")
	everyday("PostgreSQL", "postgresql", "postgres")
	fixed("NCSA", "ncsa", "ncsa open source", "university of illinois ncsa")
	fixed("HPND", "hpnd", "historical hpnd")
	everyday("Beerware", "beerware", "beer ware", "beer")
	everyday("Ruby", "ruby", "ruby's")
	everyday("Vim", "vim")
	fixed("ICU", "icu")
	fixed("QPL-1.0", "qpl", "qt public")
	fixed("SISSL", "sissl", "sun industry standards source", "sun industry standards source sissl")
	fixed("SPL-1.0", "sun public")
	everyday("NPL-1.1", "netscape", "netscape public", "netscape public npl", "npl")
	fixed("Nokia", "nokos", "nokia open source")
	fixed("VSL-1.0", "vovida", "vovida software")
	everyday("bzip2-1.0.6", "bzip")
	everyday("SAX-PD", "sax")
	name(versioned("APSL", "1.0", "1.0", "1.1", "1.2", "2.0"), "apsl", "apple public source")
	fixed("TMate", "tmate", "tmate open source")
	fixed("MirOS", "miros")
	fixed("NetCDF", "netcdf")
	fixed("MS-PL", "ms pl", "mspl", "microsoft public")
	fixed("MS-RL", "ms rl", "msrl", "microsoft reciprocal")
	fixed("Aladdin", "aladdin free public", "aladdin")
	fixed("OpenSSL", "openssl")
	everyday("PHP-3.01", "php")
	fixed("Sleepycat", "sleepycat")
	fixed("BlueOak-1.0.0", "blue oak model", "blueoak")
	fixed("Artistic-1.0-Perl OR GPL-1.0-or-later", "same as perl", "perl", "perl artistic and gpl")
	fixed("CERN-OHL-1.2", "cern open hardware", "cern ohl")
}
