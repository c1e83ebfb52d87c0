// Package topology reads a network lab from a TOML file, builds it and lets
// things happen in it in time. The command netlab is this package with flags.
//
//	# A client at home and a server, 50 ms apart, 1 % loss.
//	[[network]]
//	name = "internet"         # also: prefixes, only = "ipv4" or "ipv6", pmtud
//
//	[[nat]]
//	name = "home"             # also the name of the network behind it
//	in   = "internet"
//	kind = "port-restricted"  # full-cone, address-restricted, symmetric
//
//	[[host]]
//	name = "client"           # the first host is where the command runs
//	in   = "home"
//	both = { delay = "25ms", loss = "1%" }  # or up, down
//
//	[[host]]
//	name = "server"
//	in   = "internet"
//	[[host.run]]
//	command = ["iperf3", "-s", "--forceflush"]
//	ready   = "Server listening"
//
//	[[at]]
//	after = "5s"
//	nat   = "home"
//	rebind = true             # of a host: move, up, down, both
//
// The keys of a link are those of [link.Settings]. The keys of the tables are
// the fields of the types here. A name is declared before it is used.
//
// A topology runs programs with the rights of the caller: treat a file from a
// stranger as a script from a stranger.
package topology
