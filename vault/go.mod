module github.com/alkdev/alknet/vault

go 1.26.0

require (
	filippo.io/age v1.3.2
	github.com/decred/dcrd/dcrec/secp256k1/v4 v4.4.1
	golang.org/x/crypto v0.58.0
	golang.org/x/text v0.43.0
)

require (
	filippo.io/hpke v0.4.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
