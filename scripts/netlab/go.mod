module github.com/alkdev/alknet/scripts/netlab

go 1.26.0
