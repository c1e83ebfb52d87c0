package vault

import "io/fs"

// forbidden: Windows has access lists instead of a mode.
func forbidden(fs.FileInfo) fs.FileMode { return 0 }
