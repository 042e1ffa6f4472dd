package xo

// publicDomain is how an expression says that there is no copyright: the SPDX list has no
// identifier for it.
const publicDomain = "LicenseRef-Public-Domain"

// licenseNames maps names as licenseKey writes them to SPDX expressions. The empty string stands
// for names known to be ambiguous: which "BSD" is meant, its text must say. The GNU, Creative
// Commons and GFDL families with a version are read by pattern instead.
//
// Sources: the short names of the Fedora Project's list of good licenses, which the catalog at
// activities.sugarlabs.org offered, with the SPDX identifiers of Fedora's fedora-license-data;
// spellings seen in activity.info files.
var licenseNames = map[string]string{
	// Free spellings.
	"expat": "MIT", "mit": "MIT", "mitx11": "MIT", "x11mit": "MIT", "mitexpat": "MIT", "x11": "X11",
	"apache2": "Apache-2.0", "apache2.0": "Apache-2.0", "apache": "", "asl": "",
	"bsd": "", "bsdlike": "", "bsdstyle": "", "newbsd": "BSD-3-Clause", "modifiedbsd": "BSD-3-Clause",
	"bsd3": "BSD-3-Clause", "bsd3clause": "BSD-3-Clause", "3clausebsd": "BSD-3-Clause", "revisedbsd": "BSD-3-Clause",
	"bsd2": "BSD-2-Clause", "bsd2clause": "BSD-2-Clause", "2clausebsd": "BSD-2-Clause", "simplifiedbsd": "BSD-2-Clause",
	"freebsd": "BSD-2-Clause", "bsd4clause": "BSD-4-Clause",
	"publicdomain": publicDomain, "pd": publicDomain,
	"cc0": "CC0-1.0", "cczero": "CC0-1.0", "cc0universal": "CC0-1.0", "cc01.0universal": "CC0-1.0",
	"ccby": "", "ccbysa": "", "ccbynd": "", "ccbync": "", "ccbyncsa": "",
	"mpl": "", "mpl1.0": "MPL-1.0", "mplv1.0": "MPL-1.0", "mpl1.1": "MPL-1.1", "mplv1.1": "MPL-1.1",
	"mpl2": "MPL-2.0", "mplv2": "MPL-2.0", "mpl2.0": "MPL-2.0", "mplv2.0": "MPL-2.0",
	"un": "Unlicense", "proprietary": "", "other": "", "unknown": "", "none": "", "free": "",

	// Fedora's names for software.
	"glide": "Glide", "asl1.0": "Apache-1.0", "asl1.1": "Apache-1.1", "asl2": "Apache-2.0", "asl2.0": "Apache-2.0",
	"abstyles": "Abstyles", "afl": "", "ampasbsd": "AMPAS", "adobe": "Adobe-2006", "agplv3withexceptions": "",
	"adsl": "ADSL", "amdplpa": "AMDPLPA", "aml": "AML", "apsl2.0": "APSL-2.0", "artisticclarified": "ClArtistic",
	"artistic": "", "artistic2.0": "Artistic-2.0", "artistic1.0": "Artistic-1.0", "arl": "", "aal": "AAL", "barr": "Barr", "copyright": "",
	"beopen": "", "bittorrent": "BitTorrent-1.1", "boost": "BSL-1.0", "borceux": "Borceux",
	"bsdwithadvertising": "BSD-4-Clause", "bsdwithby": "BSD-3-Clause-Attribution", "bsdprotection": "BSD-Protection",
	"catosl": "CATOSL-1.1", "cecill": "", "cecillb": "CECILL-B", "cecillc": "CECILL-C", "cecill2.0": "CECILL-2.0", "netscape": "",
	"cnri": "CNRI-Python", "cddl": "", "cddl1.0": "CDDL-1.0", "cpl": "CPL-1.0", "condor": "Condor-1.1", "cpal": "CPAL-1.0",
	"crossword": "Crossword", "crystalstacker": "CrystalStacker", "wtfpl": "WTFPL", "doc": "DOC", "dotseqn": "Dotseqn",
	"dvipdfm": "dvipdfm", "epl": "", "epl1.0": "EPL-1.0", "epl2.0": "EPL-2.0", "ecos": "eCos-2.0",
	"ecl1.0": "ECL-1.0", "ecl2.0": "ECL-2.0", "efl2.0": "EFL-2.0", "mitwithadvertising": "", "entessa": "Entessa",
	"erpl": "ErlPL-1.1", "eudatagrid": "EUDatagrid", "eupl1.1": "EUPL-1.1", "eurosym": "Eurosym", "fair": "Fair",
	"ftl": "FTL", "giftware": "Giftware", "gl2ps": "GL2PS", "gnuplot": "gnuplot", "ibm": "IPL-1.0", "imatix": "iMatix",
	"imagemagick": "ImageMagick", "imlib2": "Imlib2", "ijg": "IJG", "intelacpi": "Intel-ACPI", "interbase": "Interbase-1.0",
	"isc": "ISC", "jabber": "", "jasper": "JasPer-2.0", "jpython": "", "knuth": "", "lppl": "", "latex2e": "Latex2e",
	"lbnlbsd": "BSD-3-Clause-LBNL", "lhcyr": "", "libtiff": "libtiff", "llgpl": "LGPL-2.1-only WITH LLGPL", "logica": "",
	"lpl": "LPL-1.02", "mecabipadic": "", "mspl": "MS-PL", "msrl": "MS-RL", "miros": "MirOS", "modmacro": "",
	"motosoto": "Motosoto", "naumen": "Naumen", "ncsa": "NCSA", "netcdf": "NetCDF", "ngpl": "NGPL", "nosl": "NOSL",
	"newmat": "", "newsletr": "Newsletr", "nokia": "Nokia", "noweb": "Noweb", "openldap": "", "oml": "OML",
	"openpbs": "OpenPBS-2.3", "osl1.0": "OSL-1.0", "osl1.1": "OSL-1.1", "osl2.0": "OSL-2.0", "osl2.1": "OSL-2.1", "osl3.0": "OSL-3.0",
	"openssl": "OpenSSL", "oreilly": "", "phorum": "", "php": "PHP-3.01", "plaintex": "", "plexus": "Plexus",
	"postgresql": "PostgreSQL", "psutils": "psutils", "python": "PSF-2.0", "psf": "PSF-2.0", "psf2.0": "PSF-2.0", "qhull": "Qhull", "qpl": "QPL-1.0",
	"rdisc": "Rdisc", "rpsl": "RPSL-1.0", "ricebsd": "", "romio": "", "rsfs": "", "ruby": "Ruby", "saxpath": "Saxpath",
	"scea": "SCEA", "scrip": "", "sendmail": "Sendmail", "sleepycat": "Sleepycat", "slib": "", "snia": "SNIA", "sissl": "SISSL",
	"spl": "SPL-1.0", "tcl": "TCL", "teeworlds": "", "tpl": "", "threeparttable": "threeparttable", "tmate": "TMate",
	"torquev1.1": "TORQUE-1.1", "tosl": "TOSL", "ucd": "", "vim": "Vim", "vnlsl": "", "vostrom": "VOSTROM", "vsl": "VSL-1.0",
	"w3c": "W3C", "webmin": "", "wsuipa": "Wsuipa", "wxwidgets": "LGPL-2.0-or-later WITH WxWindows-exception-3.1", "xinetd": "xinetd",
	"xerox": "Xerox", "xskat": "XSkat", "yplv1.1": "YPL-1.1", "zed": "Zed", "zend": "Zend-2.0",
	"zplv1.0": "", "zplv2.0": "ZPL-2.0", "zplv2.1": "ZPL-2.1", "zlib": "Zlib", "zlibwithacknowledgement": "zlib-acknowledgement",
	"gpl+orartistic":          "GPL-1.0-or-later OR Artistic-1.0-Perl",
	"perl":                    "GPL-1.0-or-later OR Artistic-1.0-Perl",
	"sameasperl":              "GPL-1.0-or-later OR Artistic-1.0-Perl",
	"gpl2withexceptions":      "",
	"gplv2withexceptions":     "",
	"cnripython":              "CNRI-Python",
	"gnuallpermissive":        "FSFAP",
	"cecill2.1":               "CECILL-2.1",
	"openfont":                "OFL-1.1",
	"silopenfont":             "OFL-1.1",
	"silofl":                  "OFL-1.1",
	"ofl1.1":                  "OFL-1.1",
	"ofl1.0":                  "OFL-1.0",
	"artlibre":                "LAL-1.3",
	"freeart1.3":              "LAL-1.3",
	"boost1.0":                "BSL-1.0",
	"beerware":                "Beerware",
	"academicfree":            "",
	"eupl1.2":                 "EUPL-1.2",
	"eupl":                    "",
	"zliblibpng":              "Zlib",
	"pythonsoftware":          "PSF-2.0",
	"gnufdl":                  "",
	"commondevelopment1.0":    "CDDL-1.0",
	"educationalcommunity2.0": "ECL-2.0",

	// Fedora's names for documentation, content and fonts.
	"cdl": "CDL-1.0", "fbsddl": "FreeBSD-DOC", "gfdl": "", "ieee": "", "ldpl": "", "ofsfdl": "", "openpublication": "OPUBL-1.0",
	"publicuse": "", "dsl": "", "dmtf": "", "oal": "", "efml": "", "freeart": "", "geogratis": "", "greenopenmusic": "",
	"ofl": "OFL-1.1", "utopia": "", "ams": "", "arphic": "Arphic-1999", "baekmuk": "Baekmuk", "bitstreamvera": "Bitstream-Vera",
	"charter": "Bitstream-Charter", "doublestroke": "", "elvish": "", "hershey": "", "ipa": "IPA", "liberation": "", "lucida": "",
	"mgopen": "", "mplus": "mplus", "ptfl": "", "stix": "", "wadalab": "", "xano": "",
}
