module github.com/alkdev/alknet/scripts/bench/harness

go 1.26.0
