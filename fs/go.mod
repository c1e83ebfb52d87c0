module github.com/alkdev/alknet/fs

go 1.26.0

require github.com/alkdev/alknet/core v0.1.0

replace github.com/alkdev/alknet/core => ../core
