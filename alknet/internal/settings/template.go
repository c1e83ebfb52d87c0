package settings

// Template is what 'alknet init' writes: every setting, commented out, with
// its default.
const Template = `# alknet node configuration. Everything here is optional; a key that is
# not known is an error. 'alknet reload' applies [roles], [limits] and the
# certificate files to the running node; everything else takes effect on the
# next start.
# Peers and tokens are kept in peers.toml by 'alknet peer' and 'alknet token'.

# Addresses to listen on, UDP and TCP alike. ":4433" means every address.
# Sockets that a service manager has bound for the node take their place.
# listen = [":4433"]

# How long running work may go on after 'alknet stop'.
# drain = "10s"

# Named sets of scopes, given out as: alknet peer add NAME KEY --role dev
# [roles]
# dev = ["ssh:shell", "ssh:exec", "git:write:**"]

# [limits]
# conns_per_ip = 100              # of those that proved no identity; per /64 with IPv6
# conns_per_identity = 1000
# handshakes = 1024               # in progress at once, over all addresses
# handshake_timeout = "10s"
# retry_above = 64                # handshakes in progress above which QUIC clients prove their address first
# auth_failures = 5               # per address within auth_window
# auth_window = "1m"

# [log]
# level = "info"                  # debug, info, warn, error
# format = "text"                 # text or json

# Certificates of public authorities, PEM files relative to this folder. After
# a renewal: 'alknet reload'.
# [[tls.certificates]]
# cert = "certs/example.org.pem"
# key = "certs/example.org.key"

# Certificates by ACME. The authority must reach port 443 of each domain:
# listen on ":443", or forward 443 to a port above and say so, or use HTTP-01.
# [acme]
# domains = ["example.org"]
# email = "you@example.org"
# forwarded = false
# http_listen = ""                # ":80" for HTTP-01 and a redirect to HTTPS
# directory = ""                  # default: Let's Encrypt

# [ssh]
# shell = ""                      # default: the login shell of the node's account

# [http]
# metrics = false                 # /metrics for holders of the scope http:metrics

# Operations of other nodes, offered here under a prefix. This node calls them with
# the rights that it has there, so nobody else reaches them until expose names
# operations and the scope that a caller needs here.
# [[call.imports]]
# node = "home"                   # saved by 'alknet node add', or alknet://<node-id>@host:port
# name = "home"                   # of the peer, for this node; default: the saved name
# prefix = "home"                 # default: the name
# operations = ["**"]             # patterns of the names there; default: all but admin/...
# expose = [{ operations = ["home/math/*"], scope = "call:home/math" }]

# [transport]
# gro = true                      # joined receive of UDP packets on Linux
`
