module github.com/alkdev/alknet/scripts/interop

go 1.26.0

require (
	github.com/alkdev/alknet/alknet v0.1.0
	github.com/alkdev/alknet/call v0.1.0
	github.com/alkdev/alknet/core v0.1.0
	github.com/alkdev/alknet/dns v0.1.0
	github.com/alkdev/alknet/fs v0.1.0
	github.com/alkdev/alknet/git v0.1.0
	github.com/alkdev/alknet/http v0.1.0
	github.com/alkdev/alknet/msg v0.1.0
	github.com/alkdev/alknet/sftp v0.1.0
	github.com/alkdev/alknet/ssh v0.1.0
	github.com/alkdev/alknet/vault v0.1.0
)

replace github.com/alkdev/alknet/vault => ../../vault

replace github.com/alkdev/alknet/core => ../../core

replace github.com/alkdev/alknet/call => ../../call

replace github.com/alkdev/alknet/ssh => ../../ssh

replace github.com/alkdev/alknet/sftp => ../../sftp

replace github.com/alkdev/alknet/git => ../../git

replace github.com/alkdev/alknet/fs => ../../fs

replace github.com/alkdev/alknet/dns => ../../dns

replace github.com/alkdev/alknet/msg => ../../msg

replace github.com/alkdev/alknet/http => ../../http

replace github.com/alkdev/alknet/alknet => ../../alknet
