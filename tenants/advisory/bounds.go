package advisory

// Bounds of what a feed may contain (F3). Each is many times what the public
// feeds have; an error that one of them causes names it.
const (
	MaxRecordBytes  = 8 << 20  // one record, decompressed
	MaxRecords      = 5 << 20  // records of one import
	MaxImportBytes  = 16 << 30 // all records of one import, decompressed
	maxZipDirectory = 64 << 20 // the central directory of a zip: about a million records
	maxFolderDepth  = 16

	maxID       = 200 // bytes of an id or alias
	maxAliases  = 500
	maxAffected = 20_000  // packages of one record
	maxVersions = 200_000 // listed versions of one package
	maxEvents   = 20_000  // events of one range
	maxSummary  = 500     // bytes kept of the summary

	// MaxProblems bounds how many problems a report keeps; it counts all.
	MaxProblems = 1000
)
