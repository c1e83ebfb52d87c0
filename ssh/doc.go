// Package ssh serves SSH-2 (RFC 4251 to 4254) as a protocol of an alknet
// node: commands, shells on a terminal, and subsystems, for stock clients.
//
//	hostKey, err := ssh.HostKey(key) // a crypto.Signer, not the node key
//	if err != nil {
//		return err
//	}
//	err = router.Register(&ssh.Server{HostKeys: []gossh.Signer{hostKey}, Identities: store})
//
// Each stream of a connection is one SSH connection, whatever carries it.
// OpenSSH reaches it through a ProxyCommand that joins its standard input and
// output to a stream, and learns the host key without a prompt from a
// KnownHostsCommand that prints [KnownHostsLine].
//
// # Who somebody is
//
// The user name is ignored: the key says who you are. There are two ways to
// show one, and no passwords:
//
//   - A public key whose signature SSH checked. Its owner is reported with
//     AuthContext.Prove. Certificates and RSA keys below 2048 bits are
//     refused.
//   - Nothing (method "none"), if the handshake of the connection that carries
//     the stream proved a listed peer who may do something here. Possession of
//     that key was proved to this node a moment ago and inside the same
//     encrypted connection, so asking once more would add no proof. A peer
//     with a node key and no SSH key so gets in without a prompt. If that peer
//     may do nothing here, the client is asked for a public key, which may
//     belong to somebody else.
//
// All SSH connections on one connection must show the same credential. Where
// TLS proved one peer and that credential is another's, the connection ends
// with the rights of either: whoever accepted it (core/endpoint) closes it at
// once when one of them is removed, disabled or expires. A node never offers its own key as an SSH user key; a server cannot enforce
// that for others, because a plain ssh-ed25519 key and a node key have the
// same form in the list of peers.
//
// # What somebody may do
//
//   - ssh:exec runs any command, by the shell and with -c.
//   - ssh:exec:ARGV runs exactly this command, without a shell: the line is
//     split into words and refused if a shell would do more with it.
//   - ssh:shell opens a login shell, with or without a terminal.
//   - Subsystems decide for themselves.
//
// Rights are read again for each request, so that one which is taken away is
// gone at once, also on open connections. Everything else (forwarding, X11,
// agents) is refused. Everybody runs as the user of the node: ssh:shell and
// an unrestricted ssh:exec amount to owning it.
//
// # Processes
//
// A command leads a session and process group of its own. When the client
// closes the channel or the connection ends, the group gets SIGHUP and two
// seconds later SIGKILL; at the node's hard stop at once. A process that is to
// stay makes a session of its own (setsid, tmux, systemd-run) and lets go of
// the channel's output. A client may be silent for any time: nothing here
// ends an idle shell. A connection that carries no SSH connection for ten
// minutes is ended, whoever made it.
//
// # Security posture
//
// Key exchange is mlkem768x25519-sha256 where the client has it, else
// curve25519-sha256 or ecdh-sha2-nistp256, always with strict key exchange
// where the client has that; no SHA-1, no CBC, no finite-field groups. The
// unauthenticated are bounded in number (64, of which one source has 8), time
// (30 s from the end of the TLS handshake), attempts (6) and by source
// (config.Failures, which also counts who only waited); the authenticated in
// open channels (256) and in what one request may hold. Who asks on and takes
// no answer for ten seconds is cut off. Each attempt to authenticate is one line in the
// log. Commands, and where somebody wanted to go, are never logged.
//
// # Limits
//
// There is no port, socket, X11 or agent forwarding and no sftp in this
// package, no certificates, and no user switching. Commands run on Unix only;
// elsewhere they end with status 126 and a message. Debian 12's client knows
// no key exchange of this package that is post-quantum; the TLS outside is.
package ssh
